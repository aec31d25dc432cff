"""A source in memory, for tests: it counts what is asked of it and can be told to change."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from images.indexes.ranges import ByteRange
from images.sources.errors import SourceChangedError, SourceNotFoundError, SourceTruncatedError
from images.sources.location import Location
from images.sources.reader import SourceStat


class MemorySource:
    """Objects by key; `open` is a factory for the registry. `calls` counts by method, over all readers."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: Counter[str] = Counter()

    def open(self, location: Location, etag: str | None = None) -> "MemoryReader":
        self.calls["open"] += 1
        if location.key not in self.objects:
            raise SourceNotFoundError("The source does not exist.", f"memory key {location.key!r}")
        reader = MemoryReader(self, location.key)
        if etag is not None and reader.stat().etag != etag:
            raise SourceChangedError("The source was replaced since it was last read.")
        return reader


class MemoryReader:
    """Implements `ByteReader` on the bytes that the key had when it was opened."""

    def __init__(self, source: MemorySource, key: str) -> None:
        self._source = source
        self._key = key
        self._data = source.objects[key]
        self._is_closed = False

    def stat(self) -> SourceStat:
        self._count("stat")
        return SourceStat(byte_size=len(self._data), etag=hashlib.sha256(self._data).hexdigest())

    def read(self, start: int, length: int) -> bytes:
        self._count("read")
        return self._slice(start, length)

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self._count("read_many")
        return [self._slice(one.start, one.stop - one.start) for one in ranges]

    def verify(self) -> None:
        """The bytes here are a snapshot, but tests want to see the error: the object must still be the one opened."""
        self._count("verify")
        if self._source.objects.get(self._key) is not self._data:
            raise SourceChangedError("The source was changed while it was read.")

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _count(self, method: str) -> None:
        self._source.calls[method] += 1

    def _slice(self, start: int, length: int) -> bytes:
        if self._is_closed:
            raise ValueError("read of a closed source")
        if start < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at offset {start}")
        if start + length > len(self._data):
            raise SourceTruncatedError("The source ends before the data that it should hold.")
        return self._data[start : start + length]
