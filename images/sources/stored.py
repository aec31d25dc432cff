"""What lies in one of Django's storages: files through the code for files, anything else by what a storage can do."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, storages

from images.indexes.ranges import ByteRange
from images.sources.errors import (
    SourceChangedError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.location import NO_STORE, Location, Retrieval
from images.sources.reader import SourceStat


def stored_location(alias: str, name: str, retrieval: Retrieval = NO_STORE) -> Location:
    """Where the object `name` of the storage STORAGES[alias] lies.

    A storage of files is read as a folder: regular files below it only, pinned by what the file system knows of them.
    """
    storage = storages[alias]
    if isinstance(storage, FileSystemStorage):
        return Location(kind="filesystem", root=str(storage.location), key=name, retrieval=retrieval)
    return Location(kind="storage", root=alias, key=name, retrieval=retrieval)


def open_stored(location: Location, etag: str | None = None) -> "StoredReader":
    """Open the object `key` of the storage that `root` names. Raises SourceError."""
    with storage_errors(location):
        storage: Any = storages[location.root]
        modified = _modified(storage, location.key)
        reader = StoredReader(storage.open(location.key, "rb"), storage.size(location.key), modified)
    if etag is not None and reader.stat().etag != etag:
        reader.close()
        raise SourceChangedError(
            "The stored file was replaced since it was last read.",
            f"{location.key}: {etag} became {reader.stat().etag}",
        )
    return reader


class StoredReader:
    """Implements `ByteReader` on what a storage opens, by seeking. The etag is made of size and modification time."""

    def __init__(self, file: Any, byte_size: int, modified: datetime | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._is_closed = False
        stamp = f"{round(modified.timestamp() * 1_000_000):x}" if modified else "0"
        self._stat = SourceStat(byte_size, f"{byte_size:x}-{stamp}", modified)

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at offset {start}")
        if self._is_closed:
            raise ValueError("the stored file is closed")
        try:
            with self._lock:
                self._file.seek(start)
                data = self._file.read(length)
        except Exception as error:
            raise SourceUnreachableError("The stored file could not be read.", repr(error)) from error
        if len(data) < length:
            raise SourceTruncatedError(
                "The stored file ends before the data that it should hold.",
                f"bytes {start} to {start + length} of {self._stat.byte_size} were asked for",
            )
        return bytes(data)

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [self.read(one.start, one.length) for one in ranges]

    def verify(self) -> None:
        """What a storage opened stays what it was: objects are replaced as a whole."""

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._is_closed = True
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


@contextlib.contextmanager
def storage_errors(location: Location) -> Iterator[None]:
    """Storages raise what their libraries raise."""
    try:
        yield
    except Exception as error:
        raise _translated(error, location) from error


def _modified(storage: Any, name: str) -> datetime | None:
    try:
        modified: datetime = storage.get_modified_time(name)
    except NotImplementedError:
        return None
    return modified


def _translated(error: Exception, location: Location) -> SourceError:
    technical = f"{location.root}:{location.key}: {error!r}"
    if isinstance(error, SourceError):
        return error
    if isinstance(error, FileNotFoundError):
        return SourceNotFoundError("The stored file does not exist.", technical)
    if isinstance(error, SuspiciousOperation):
        return SourceNotAllowedError("The name of the stored file leads out of its storage.", technical)
    return SourceUnreachableError("The storage does not answer.", technical)
