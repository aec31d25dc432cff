"""A whole source on its way to the disk, under a name that nobody reads.

    body      as long as the source will be; written from the front
    mark      magic 4, bytes that are there 8, CRC-32 of them 4, CRC-32 of these 4

The file has its full length from the start, so that it takes its room in the budget before the first byte comes. A
fill that broke off, even with its process, is taken up again behind the bytes that the mark vouches for.
"""

import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

_MARK = struct.Struct(">4sQII")
_MAGIC = b"prt1"
_PIECE_BYTES = 1 << 20

MARK_BYTES = _MARK.size


class Partial:
    """Raises OSError. Whoever opens it holds the lock of its key."""

    def __init__(self, path: str, byte_size: int) -> None:
        self._path = path
        self._byte_size = byte_size
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.position = 0
        self.crc = 0
        try:
            self._take_up()
            os.ftruncate(self._descriptor, byte_size + MARK_BYTES)
        except BaseException:
            self.close()
            raise

    def write(self, body: bytes) -> None:
        """What comes next."""
        written = 0
        while written < len(body):
            written += os.pwrite(self._descriptor, memoryview(body)[written:], self.position + written)
        self.crc = zlib.crc32(body, self.crc)
        self.position += len(body)
        data = _MARK.pack(_MAGIC, self.position, self.crc, 0)[:-4]
        os.pwrite(self._descriptor, data + struct.pack(">I", zlib.crc32(data)), self._byte_size)

    def commit(self, path: str) -> None:
        """Give the complete file its name, once it is on the disk."""
        if self.position != self._byte_size:
            raise ValueError(f"{self.position} of {self._byte_size} bytes are there")
        os.ftruncate(self._descriptor, self._byte_size)
        os.fsync(self._descriptor)
        Path(self._path).rename(path)
        folder = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def discard(self) -> None:
        """Leave nothing to take up again."""
        with suppress(OSError):
            Path(self._path).unlink()

    def _take_up(self) -> None:
        if os.fstat(self._descriptor).st_size != self._byte_size + MARK_BYTES:
            os.ftruncate(self._descriptor, 0)
            return
        data = os.pread(self._descriptor, MARK_BYTES, self._byte_size)
        magic, position, crc, check = _MARK.unpack(data)
        if magic == _MAGIC and check == zlib.crc32(data[:-4]) and crc == self._crc_of(position):
            self.position, self.crc = position, crc

    def _crc_of(self, length: int) -> int:
        crc, at = 0, 0
        while at < length:
            piece = os.pread(self._descriptor, min(_PIECE_BYTES, length - at), at)
            if not piece:
                return -1
            crc = zlib.crc32(piece, crc)
            at += len(piece)
        return crc
