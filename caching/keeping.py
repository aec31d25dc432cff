"""Writing derivatives into the cache beside their way to the client, without ever failing one."""

import logging
from collections.abc import Callable

from caching.backends.protocol import DerivativeBackend, EntryWriter, Usage
from caching.errors import CacheError, CacheFullError, NoSpaceError
from caching.keys import DerivativeKey
from caching.stats import CacheStats, Counted

logger = logging.getLogger(__name__)


class Keeper:
    """The writing side of a cache. `note_new` hears of each derivative that was made and is kept now.

    A failed write puts it to rest for `bypass_seconds`: a full disk costs one try a minute and not
    one per request. A budget without room does not; it calls for a sweep.
    """

    def __init__(
        self,
        backend: DerivativeBackend,
        stats: CacheStats,
        *,
        entry_bytes: int,
        bypass_seconds: float,
        clock: Callable[[], float],
        request_sweep: Callable[[], None],
        note_new: Callable[[DerivativeKey], None] = lambda _key: None,
    ) -> None:
        self.entry_bytes = entry_bytes
        self._backend = backend
        self._stats = stats
        self._bypass_seconds = bypass_seconds
        self._clock = clock
        self._request_sweep = request_sweep
        self._note_new = note_new
        self._bypass_until = float("-inf")

    def open(self, key: DerivativeKey, content_type: str, *, is_new: bool = True) -> "Keeping":
        """Begin to keep a derivative; what comes back is inactive where nothing is kept.

        `is_new`: it was made just now, and is not a copy of what lies elsewhere in the cache.
        """
        writer = None
        if self._clock() >= self._bypass_until:
            try:
                writer = self._backend.open_writer(key, content_type)
            except CacheError as error:
                self.note_failure(error)
        if writer is None:
            self._stats.count(Counted.BYPASSED)
        return Keeping(self, writer, key if is_new else None)

    def withhold(self) -> "Keeping":
        """For a derivative that is not to be kept."""
        self._stats.count(Counted.WITHHELD)
        return Keeping(self, None, is_withheld=True)

    def note_kept(self, key: DerivativeKey | None, length: int, usage: Usage) -> None:
        self._stats.count(Counted.STORED)
        self._stats.count(Counted.STORED_BYTES, length)
        if key is not None:
            self._note_new(key)
        if usage.wants_sweep:
            self._request_sweep()

    def note_failure(self, error: CacheError) -> None:
        if isinstance(error, CacheFullError):
            self._stats.count(Counted.REFUSED)
            self._request_sweep()
            return
        self._stats.count(Counted.ERRORS)
        self._bypass_until = self._clock() + self._bypass_seconds
        logger.warning("nothing is kept for %.0f seconds: %s", self._bypass_seconds, error.detail)
        if isinstance(error, NoSpaceError):
            self._request_sweep()


class Keeping:
    """One derivative being kept. It gives up quietly on a CacheError and above `entry_bytes`."""

    def __init__(
        self,
        keeper: Keeper,
        writer: EntryWriter | None,
        key: DerivativeKey | None = None,
        *,
        is_withheld: bool = False,
    ) -> None:
        self.is_withheld = is_withheld
        self._keeper = keeper
        self._key = key
        self._writer = writer
        self._length = 0

    @property
    def is_active(self) -> bool:
        return self._writer is not None

    def write(self, chunk: bytes) -> None:
        if self._writer is None:
            return
        self._length += len(chunk)
        if self._length > self._keeper.entry_bytes:
            self.discard()
            return
        try:
            self._writer.write(chunk)
        except CacheError as error:
            self.discard()
            self._keeper.note_failure(error)

    def commit(self) -> bool:
        """Whether the derivative is kept. An empty one never is: no image has no bytes."""
        if self._writer is None or not self._length:
            self.discard()
            return False
        writer, self._writer = self._writer, None
        try:
            usage = writer.commit()
        except CacheError as error:
            self._keeper.note_failure(error)
            return False
        self._keeper.note_kept(self._key, self._length, usage)
        return True

    def discard(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()
