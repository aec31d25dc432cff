"""Files that stay open between requests: a viewer asks the same file for tile after tile.

A file that is kept open is as pinned as one that was just opened. After the bytes were read, its name is looked up
again: whatever happened to the file, or to a folder above it, the name then leads to another version, or to none.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from images.indexes.ranges import ByteRange
from images.sources.errors import SourceChangedError, SourceTruncatedError, SourceUnreachableError
from images.sources.files import file_etag
from images.sources.filesystem import open_file
from images.sources.location import Location
from images.sources.reader import ByteReader, SourceStat
from images.sources.registry import open_source

MOST_FILES = 64
"""Kept open by a process: what a few dozen viewers look at, and far below the usual limit of 1,024 descriptors."""

AGE_SECONDS = 1.0
"""Then a file is opened anew: network file systems know of changes elsewhere for certain only when they open one."""


class KeptReader:
    """Implements `ByteReader` on a file that others may be reading too; it is closed when nobody has it any more."""

    __slots__ = ("_fd", "_path", "_stat", "_version", "opened")

    def __init__(self, location: Location, etag: str) -> None:
        with open_file(location, etag) as reader:
            self._fd = os.dup(reader.descriptor)
            self._stat = reader.stat()
        self.opened = time.monotonic()
        self._path = f"{location.root}/{location.key}"
        status = os.fstat(self._fd)
        if file_etag(status) != etag:
            raise SourceChangedError("The file was changed while it was opened.", self._path)
        self._version = _version(status)

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at offset {start}")
        try:
            data = os.pread(self._fd, length, start)
        except OSError as error:
            raise SourceUnreachableError("The file could not be read.", str(error)) from error
        return data if len(data) == length else self._read_rest(start, length, data)

    def _read_rest(self, start: int, length: int, data: bytes) -> bytes:
        """Reads may stop early, on network file systems for instance."""
        while len(data) < length:
            try:
                piece = os.pread(self._fd, length - len(data), start + len(data))
            except OSError as error:
                raise SourceUnreachableError("The file could not be read.", str(error)) from error
            if not piece:
                self.verify()
                raise SourceTruncatedError("The file ends before the data that it should hold.", self._path)
            data += piece
        return data

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [self.read(one.start, one.stop - one.start) for one in ranges]

    def verify(self) -> None:
        """Raise SourceChangedError unless the name still leads to this version."""
        try:
            now = _version(os.stat(self._path))  # noqa: PTH116 - at every tile
        except OSError as error:
            _files.forget(self)
            raise SourceChangedError("The file was moved while it was open.", str(error)) from error
        if now != self._version:
            _files.forget(self)
            raise SourceChangedError("The file was replaced or changed while it was open.", self._path)

    def fileno(self) -> int | None:
        return self._fd

    def close(self) -> None:
        """Others may be reading."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Others may be reading."""

    def __del__(self) -> None:
        fd = getattr(self, "_fd", None)
        if fd is not None:
            os.close(fd)


class _Files:
    """The readers opened last, by folder, name and version."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: OrderedDict[tuple[str, str, str], KeptReader] = OrderedDict()
        self._next_look = 0.0

    def get(self, location: Location, etag: str) -> KeptReader:
        key = (location.root, location.key, etag)
        with self._lock:
            self._let_go(time.monotonic() - AGE_SECONDS)
            reader = self._readers.get(key)
        if reader is not None:
            return reader
        reader = KeptReader(location, etag)
        with self._lock:
            self._readers[key] = reader
            self._readers.move_to_end(key)
            if len(self._readers) > MOST_FILES:
                self._readers.popitem(last=False)
        return reader

    def _let_go(self, before: float) -> None:
        """They stand in the order in which they were opened."""
        while self._readers and next(iter(self._readers.values())).opened < before:
            self._readers.popitem(last=False)

    def forget(self, reader: KeptReader) -> None:
        with self._lock:
            for key in [key for key, other in self._readers.items() if other is reader]:
                del self._readers[key]

    def clear(self) -> None:
        with self._lock:
            self._readers.clear()


_files = _Files()


def keep_source(location: Location, etag: str) -> ByteReader:
    """As `open_source`, for few bytes: a file may be open already, and stays so. Raises SourceError."""
    return _files.get(location, etag) if location.kind == "filesystem" else open_source(location, etag)


def close_kept_sources() -> None:
    """Let go of every file; those that are just being read are closed when that has ended."""
    _files.clear()


def _version(stat: os.stat_result) -> tuple[int, int, int, int]:
    """What makes the etag of a file, see `images.sources.files.file_etag`."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
