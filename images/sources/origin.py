"""The reader of one version of a source as its store gives it: opened when bytes are needed that are not here."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from caching.sources.caches import SourceCaches
from caching.sources.extents import Extent
from caching.sources.filling import Origin
from caching.sources.keys import SourceKey
from images.indexes.errors import IndexingError
from images.indexes.ranges import ByteRange
from images.indexes.sniff import sniff
from images.sources.errors import (
    SourceChangedError,
    SourceDisabledError,
    SourceError,
    SourceNotAllowedError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.reader import ByteReader
from images.sources.waiting import Awaited

T = TypeVar("T")

_SNIFF_BYTES = 64
_RETRY_WITHIN_SECONDS = 1.0
"""A connection that breaks at once is tried a second time at once; one that hung is not hung on again."""


class PinnedOrigin:
    """`opening` opens the version that `key` names, and no other. Failures are remembered for a few seconds.

    `host` names what hangs as a whole: the store, or the web server of what lies in none.
    """

    def __init__(
        self,
        key: SourceKey,
        caches: SourceCaches,
        opening: Callable[[], ByteReader],
        opened: ByteReader | None = None,
        host: str = "",
    ) -> None:
        self._key = key
        self._caches = caches
        self._opening = opening
        self._lock = threading.Lock()
        self._reader = opened
        self._awaited = Awaited(caches.crowds, host or key.store, key.place)

    def open(self) -> ByteReader:
        """Raises SourceError."""
        with self._lock:
            if self._reader is None:
                self._reader = self._remembering(self._opening)
            return self._reader

    def fetch(self, extents: list[Extent]) -> Sequence[bytes]:
        """The bytes of each extent, all of this version, in one call of the store's reader. Raises SourceError."""
        ranges = [ByteRange(start, stop) for start, stop in extents]
        byte_count = sum(one.length for one in ranges)
        return self._remembering(lambda: self._awaited.asked(lambda: self._tried(ranges), byte_count))

    def waiting(self) -> AbstractContextManager[None]:
        """For bytes that somebody has to fetch. Raises SourceStalledError where too many wait and nothing comes."""
        return self._awaited.waiting()

    def verify(self) -> None:
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.verify()

    def close(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def for_filling(self) -> Origin:
        """The same origin, to be read as a whole by somebody who closes it."""
        own = PinnedOrigin(self._key, self._caches, self._opening, host=self._awaited.host)
        return Origin(own.fetch, is_image, may_retry, own.close)

    def _tried(self, ranges: list[ByteRange]) -> Sequence[bytes]:
        begun = time.monotonic()
        try:
            return self._read(ranges)
        except (SourceUnreachableError, SourceTruncatedError):
            if time.monotonic() - begun > _RETRY_WITHIN_SECONDS:
                raise
        return self._read(ranges)

    def _read(self, ranges: list[ByteRange]) -> Sequence[bytes]:
        with self._lock:
            if self._reader is None:
                self._reader = self._opening()
            reader = self._reader
        bodies = reader.read_many(ranges)
        reader.verify()
        for one, body in zip(ranges, bodies, strict=True):
            if len(body) != one.length:
                raise SourceTruncatedError("The store delivered fewer bytes than were asked for.")
        return bodies

    def _remembering(self, work: Callable[[], T]) -> T:
        failures, name = self._caches.failures, self._key.name
        known = failures.find(name)
        if isinstance(known, SourceError):
            raise type(known)(known.detail, known.technical)
        try:
            return work()
        except (SourceDisabledError, SourceNotAllowedError):
            raise
        except SourceError as error:
            failures.note(name, error)
            raise


def is_image(head: bytes) -> bool:
    """Whether a source may be kept, by its first bytes: web pages with errors come with status 200 as well."""
    try:
        sniff(head[:_SNIFF_BYTES])
    except IndexingError:
        return False
    return True


def may_retry(error: Exception) -> bool:
    return isinstance(error, SourceError) and error.is_transient and not isinstance(error, SourceChangedError)
