"""A remote source as its store wants it read: in ranges, or as a whole from the disk or from memory."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from caching.singleflight import FlightTimeoutError
from caching.sources.caches import SourceCaches
from caching.sources.keys import SourceKey
from caching.sources.objects import FillTimeoutError
from images.indexes.ranges import ByteRange
from images.sources.errors import SourceTruncatedError, SourceUnreachableError
from images.sources.files import FileReader
from images.sources.location import Strategy
from images.sources.origin import PinnedOrigin
from images.sources.reader import SourceStat

WAIT_BYTES = 8 * 2**20
"""A source of this size or less is waited for while it comes to the disk: a second way to its bytes would be no faster.
From larger ones the first requests are answered by ranges meanwhile."""

_KEPT_BYTES = 64 * 2**20
"""Reads beyond this are of whole sources, and would push out all ranges."""


class RetrievedReader:
    """Implements `ByteReader`. Everything that is read is of the version in `stat`, wherever it comes from."""

    def __init__(
        self, key: SourceKey, stat: SourceStat, strategy: Strategy, origin: PinnedOrigin, caches: SourceCaches
    ) -> None:
        self._key = key
        self._stat = stat
        self._strategy = strategy
        self._origin = origin
        self._caches = caches
        self._lock = threading.Lock()
        self._file: FileReader | None = None
        self._data: bytes | None = None
        self._has_begun = False
        self._is_closed = False

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        if start < 0 or length < 0:
            raise ValueError(f"cannot read {length} bytes at offset {start}")
        return self.read_many([ByteRange(start, start + length)])[0]

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self._check(ranges)
        self._begin()
        if self._data is not None:
            data = self._data
            return [data[one.start : one.stop] for one in ranges]
        file = self._file
        if file is not None:
            return file.read_many(ranges)
        extents = [(one.start, one.stop) for one in ranges]
        if sum(one.length for one in ranges) > _KEPT_BYTES:
            with self._origin.waiting():
                return list(self._origin.fetch(extents))
        try:
            return self._caches.blocks.read(
                self._key, self._stat.byte_size, extents, self._origin.fetch, self._origin.waiting
            )
        except FlightTimeoutError as error:
            raise _still_coming() from error

    def verify(self) -> None:
        file = self._file
        if file is not None:
            file.verify()
        else:
            self._origin.verify()

    def fileno(self) -> int | None:
        """The whole source is fetched to the disk, unless the store wants it in memory."""
        if self._is_closed:
            raise ValueError("read of a closed source")
        if self._strategy is Strategy.MEMORY:
            self._begin()
        if self._data is None:
            self._open_whole()
        return self._file.fileno() if self._file is not None else None

    def close(self) -> None:
        self._is_closed = True
        self._origin.close()
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, ranges: Sequence[ByteRange]) -> None:
        if self._is_closed:
            raise ValueError("read of a closed source")
        byte_size = self._stat.byte_size
        for one in ranges:
            if one.start < 0 or one.stop < one.start:
                raise ValueError(f"cannot read {one.length} bytes at offset {one.start}")
            if one.stop > byte_size:
                raise SourceTruncatedError(
                    "The source ends before the data that it should hold.",
                    f"bytes {one.start} to {one.stop} of {byte_size} were asked for",
                )

    def _begin(self) -> None:
        """What the strategy does before the first bytes are read; a look at the facts alone fetches nothing."""
        with self._lock:
            if self._has_begun:
                return
            self._has_begun = True
        if self._strategy is Strategy.MEMORY and self._caches.memory.takes(self._stat.byte_size):
            try:
                with self._origin.waiting():
                    self._data = self._caches.memory.get(self._key, self._stat.byte_size, self._origin.fetch)
            except FlightTimeoutError as error:
                raise _still_coming() from error
        elif self._strategy is Strategy.CACHE and self._stat.byte_size <= WAIT_BYTES:
            self._open_whole()
        elif self._strategy is Strategy.CACHE:
            self._caches.objects.start(self._key, self._stat.byte_size, self._origin.for_filling())

    def _open_whole(self) -> None:
        """The whole source on the disk, fetched if need be; nothing where it cannot be kept."""
        with self._lock:
            if self._file is not None or self._is_closed:
                return
            try:
                with self._origin.waiting():
                    fd = self._caches.objects.get(self._key, self._stat.byte_size, self._origin.for_filling())
            except FillTimeoutError as error:
                raise _still_coming() from error
            if fd is not None:
                self._file = FileReader(fd, etag=self._stat.etag, modified=self._stat.modified)


def _still_coming() -> SourceUnreachableError:
    return SourceUnreachableError("The source is still on its way here; try again soon.")
