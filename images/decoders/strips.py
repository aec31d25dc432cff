"""An image for libvips whose pixels are made strip by strip, when they are asked for.

libvips loads TIFF from a custom source; so the strips are offered as the contents of an uncompressed TIFF file, of
which only the head and one strip are ever there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyvips

from images.decoders.errors import DamagedSourceError
from images.decoders.tiff_layout import TiffLayout

Bytes = npt.NDArray[np.uint8]


@contextmanager
def strip_image(layout: TiffLayout, strips: Iterator[Bytes]) -> Iterator[pyvips.Image]:
    """The image, to be read from the top while the context lasts.

    `strips`: arrays of rows × width × bands, contiguous, of all the rows; each may be changed once the next one is
    asked for. What `strips` raises is raised by the context instead of libvips' own error.
    """
    session = _Session(layout, strips)
    source = pyvips.SourceCustom()
    source.on_read(session.read)
    source.on_seek(session.seek)
    try:
        yield pyvips.Operation.call("tiffload_source", source, access="sequential", fail_on="error")
    except pyvips.Error as error:
        if session.failure is not None:
            raise session.failure from error
        raise
    if session.failure is not None:
        raise session.failure


class _Session:
    """The reading position, and the strip that is there. libvips calls it from one thread at a time."""

    def __init__(self, layout: TiffLayout, strips: Iterator[Bytes]) -> None:
        self.failure: BaseException | None = None
        self._strips = strips
        self._position = 0
        self._start = 0
        self._held = memoryview(layout.head())
        self._length = len(self._held) + layout.row_bytes * layout.height
        self._head = self._held

    def read(self, length: int) -> bytes | memoryview | None:
        """No exception finds its way through libvips, so it is kept."""
        if self.failure is not None:
            return None
        try:
            piece = self._read(min(length, self._length - self._position))
        except BaseException as error:  # noqa: BLE001 - raised again when libvips has ended
            self.failure = error
            return None
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, min(start + offset, self._length))
        return self._position

    def _read(self, length: int) -> bytes | memoryview:
        at, end = self._position, self._position + length
        if end <= len(self._head):
            return self._head[at:end]
        pieces: list[bytes] = []
        if at < len(self._head):
            pieces.append(bytes(self._head[at:]))
            at = len(self._head)
        while at < end:
            self._hold(at)
            piece = self._held[at - self._start : end - self._start]
            at += len(piece)
            if at == end and not pieces:
                return piece
            pieces.append(bytes(piece))  # its strip goes when the next one comes
        return b"".join(pieces)

    def _hold(self, position: int) -> None:
        """Go on until the strip with the byte at `position` is there."""
        if position < self._start:
            raise RuntimeError("A strip is asked for that has passed.")
        while position >= self._start + len(self._held):
            self._start += len(self._held)
            strip = next(self._strips, None)
            if strip is None:
                raise DamagedSourceError("The file is damaged: it holds fewer rows than it says.")
            self._held = strip.data.cast("B")
