"""A reader of bytes that are in memory as a whole."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from images.indexes.ranges import ByteRange
from images.sources.errors import SourceTruncatedError
from images.sources.reader import SourceStat


class HeldReader:
    """Implements `ByteReader`."""

    def __init__(self, data: bytes, etag: str) -> None:
        self._data = data
        self._stat = SourceStat(len(data), etag)
        self._is_closed = False

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        if self._is_closed:
            raise ValueError("read of a closed source")
        if start < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at offset {start}")
        if start + length > len(self._data):
            raise SourceTruncatedError("The source ends before the data that it should hold.")
        return self._data[start : start + length]

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [self.read(one.start, one.length) for one in ranges]

    def verify(self) -> None:
        """Bytes in memory do not change."""

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
