"""The bytes of a source as a decoder gets them: an open file or a piece of memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from images.decoders.errors import DamagedSourceError
from images.decoders.parts import Parts


@dataclass(frozen=True, slots=True)
class SourceData:
    """Either `fd`, an open file that can be read at any offset, with its `length` in bytes, or `data`, or `parts`.

    Whoever made it keeps the file descriptor: decoders duplicate it where a library would close it. `uses_position` is
    False where nobody moves its position, so that others may be reading from it.
    """

    fd: int | None = None
    length: int = 0
    data: bytes | None = None
    parts: Parts | None = None
    uses_position: bool = True

    def __post_init__(self) -> None:
        if [self.fd, self.data, self.parts].count(None) != 2:
            raise ValueError("a source is either a file descriptor or bytes or parts")
        if self.data is not None:
            object.__setattr__(self, "length", len(self.data))

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only where the source ends."""
        if self.fd is None:
            return (self.data or b"")[offset : offset + length]
        pieces = []
        while length > 0:
            piece = read_piece(self.fd, offset, length)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def kept(self) -> "SourceData":
        """The same bytes with a file descriptor of its own, to be closed by `close`."""
        return self if self.fd is None else SourceData(fd=os.dup(self.fd), length=self.length)

    def close(self) -> None:
        """Close the file descriptor. Only for whoever made it."""
        if self.fd is not None:
            os.close(self.fd)


def read_piece(fd: int, offset: int, length: int) -> bytes:
    """One read at `offset`; empty at the end of the file."""
    try:
        return os.pread(fd, length, offset)
    except OSError as error:
        raise DamagedSourceError(f"The file could not be read: {error.strerror}.", "unreadable") from error


@contextmanager
def handed_over(source: SourceData) -> Iterator[tuple[int, ...]]:
    """The file descriptor to give to another process; none where there is no file."""
    if source.fd is None:
        yield ()
    elif not source.uses_position:
        yield (source.fd,)
    else:
        with reopened(source.fd) as own:
            yield (own,)


@contextmanager
def reopened(fd: int) -> Iterator[int]:
    """The same file opened once more, only to be read, with a position of its own.

    Where that cannot be done (no /proc, or rights that were given up since), `fd` and the result share their position.
    """
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        own = os.dup(fd)
    try:
        yield own
    finally:
        os.close(own)
