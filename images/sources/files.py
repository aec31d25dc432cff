"""A reader of an open regular file; what folders and the copies of web sources have in common."""

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from images.indexes.ranges import ByteRange
from images.sources.errors import SourceChangedError, SourceTruncatedError, SourceUnreachableError
from images.sources.reader import SourceStat


class FileReader:
    """Implements `ByteReader` on a descriptor of a regular file, which it owns from now on.

    The etag is made of device, inode, size and modification time unless a stronger one is given. A file that is
    replaced by a rename keeps its old bytes behind this descriptor; one that is overwritten in place is found out by
    `verify`.
    """

    def __init__(self, fd: int, *, etag: str | None = None, modified: datetime | None = None) -> None:
        self._file = io.FileIO(fd, "rb")
        self._opened = os.fstat(fd)
        self._stat = SourceStat(
            byte_size=self._opened.st_size,
            etag=etag or file_etag(self._opened),
            modified=modified or file_time(self._opened),
        )

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at offset {start}")
        if start + length > self._stat.byte_size:
            raise SourceTruncatedError(
                "The file ends before the data that it should hold.",
                f"bytes {start} to {start + length} of {self._stat.byte_size} were asked for",
            )
        pieces = []
        while length > 0:
            piece = self._read_piece(start, length)
            pieces.append(piece)
            start += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_piece(self, start: int, length: int) -> bytes:
        try:
            piece = os.pread(self._file.fileno(), length, start)
        except OSError as error:
            raise SourceUnreachableError("The file could not be read.", str(error)) from error
        if not piece:
            self.verify()
            raise SourceTruncatedError(
                "The file ends before the data that it should hold.",
                f"it has {self._stat.byte_size} bytes, but none were read at offset {start}",
            )
        return piece

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [self.read(one.start, one.stop - one.start) for one in ranges]

    def verify(self) -> None:
        try:
            now = os.fstat(self._file.fileno())
        except OSError as error:
            raise SourceUnreachableError("The file could not be read.", str(error)) from error
        before = self._opened
        # The change time tells of writes that put the modification time back. It also moves when a name is added or
        # taken away, as by the rename that puts the next version in place: that harms nobody, the link count tells.
        touched = now.st_ctime_ns != before.st_ctime_ns and now.st_nlink == before.st_nlink
        if touched or (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise SourceChangedError(
                "The file was changed while it was read.",
                f"{file_etag(before)} became {file_etag(now)}",
            )

    @property
    def descriptor(self) -> int:
        """Owned by the reader."""
        return self._file.fileno()

    def fileno(self) -> int | None:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def file_etag(stat: os.stat_result) -> str:
    """Inode, size in bytes, and the times of modification and of change in nanoseconds, in hexadecimal.

    The change time tells of writes that put the modification time back. The device is left out: its number may be
    another one after every mount.
    """
    return f"{stat.st_ino:x}-{stat.st_size:x}-{stat.st_mtime_ns:x}-{stat.st_ctime_ns:x}"


def file_time(stat: os.stat_result) -> datetime | None:
    """The modification time; None where the file system holds one that no calendar has."""
    try:
        return datetime.fromtimestamp(stat.st_mtime, UTC)
    except (OverflowError, OSError, ValueError):
        return None
