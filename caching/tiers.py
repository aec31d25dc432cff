"""The tiers below the first: slower, larger or shared with other nodes.

They are asked only by whoever would have to make a derivative, and written in the background: no answer waits for a
write. What is found in one of them is written into those above it.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from caching.backends.protocol import DerivativeBackend, Entry, SweepReport, Usage
from caching.background import BackgroundQueue, Job
from caching.breaker import Breaker
from caching.errors import CacheError, CacheFullError, CacheUnavailableError, CorruptEntryError, EntryTooLongError
from caching.eviction import NOTHING, Amount
from caching.keys import DerivativeKey
from caching.production import close_chunks
from caching.stats import CacheStats, Counted

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FAILURES = 3
_REST_SECONDS = 10.0
_SWEEP_PAUSE_SECONDS = 600.0
"""Between sweeps of a tier that refused a write as full; the beat's come on their own."""


@dataclass(frozen=True, slots=True)
class Found:
    """A whole verified body; `tier` is where it was."""

    content_type: str
    body: bytes
    tier: str


Read = Callable[[], Entry | None]
"""What is to be written: asked for when it is its turn. Raises CacheError."""


class FarTier:
    """One of them, with a breaker: a tier that fails is left alone for a while. Methods raise nothing."""

    def __init__(
        self, name: str, backend: DerivativeBackend, stats: CacheStats, *, waiting: int, entry_bytes: int
    ) -> None:
        self.name = name
        self.backend = backend
        self.stats = stats
        self._entry_bytes = entry_bytes
        self._breaker = Breaker(_FAILURES, _REST_SECONDS)
        self._queue = BackgroundQueue(f"cache-tier-{name}", waiting)
        self._swept = float("-inf")

    def find(self, key: DerivativeKey) -> Found | None:
        """Also None where it cannot be asked."""
        found = self._attempt(lambda: self._read(key))
        if found is None:
            self.stats.count(Counted.MISSES)
        else:
            self.stats.count_hit(len(found.body))
        return found

    def put_later(self, key: DerivativeKey, read: Read) -> None:
        """Where too much is waiting already, it is not kept here."""
        if self._breaker.is_open or not self._queue.submit(lambda: self._write(key, read)):
            self.stats.count(Counted.BYPASSED)

    def do_later(self, job: Job) -> bool:
        """After what waits to be written; False where too much is waiting."""
        return self._queue.submit(job)

    def wait(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until everything is written that was put before."""
        return self._queue.wait(timeout_seconds)

    def sweep(self) -> SweepReport:
        """Raises CacheError."""
        report = self.backend.sweep()
        self.stats.count(Counted.SWEEPS, int(report.ran))
        self.stats.count(Counted.EVICTIONS, report.evicted.entries)
        self.stats.count(Counted.EVICTED_BYTES, report.evicted.bytes)
        return report

    def _read(self, key: DerivativeKey) -> Found | None:
        entry = self.backend.find(key)
        return None if entry is None else Found(entry.content_type, b"".join(entry.chunks), self.name)

    def _write(self, key: DerivativeKey, read: Read) -> None:
        written = self._attempt(lambda: self._copy(key, read))
        if written is None:
            self.stats.count(Counted.BYPASSED)
        elif written:
            self.stats.count(Counted.STORED)
            self.stats.count(Counted.STORED_BYTES, written)

    def _copy(self, key: DerivativeKey, read: Read) -> int:
        """How many bytes were written; 0 where it is not there any more, or too long for this tier."""
        entry = read()
        if entry is None:
            return 0
        writer = self.backend.open_writer(key, entry.content_type) if entry.length <= self._entry_bytes else None
        if writer is None:
            close_chunks(entry.chunks)
            return 0
        try:
            for chunk in entry.chunks:
                writer.write(chunk)
            writer.commit()
        except EntryTooLongError:
            return 0
        finally:
            writer.discard()
            close_chunks(entry.chunks)
        return entry.length

    def _make_room(self) -> None:
        self._attempt(self.sweep)

    def _attempt(self, action: Callable[[], T]) -> T | None:
        if not self._breaker.allows():
            return None
        try:
            result = action()
        except CacheUnavailableError as error:
            self._breaker.note_failure()
            self.stats.count(Counted.ERRORS)
            logger.warning("the tier %s of the cache fails: %s", self.name, error.detail)
            return None
        except CacheError as error:
            self._breaker.note_success()
            self._note(error)
            return None
        self._breaker.note_success()
        return result

    def _note(self, error: CacheError) -> None:
        if isinstance(error, CorruptEntryError):
            self.stats.count(Counted.CORRUPT)
            logger.warning("a damaged entry was removed from the tier %s: %s", self.name, error.detail)
        elif isinstance(error, CacheFullError):
            self.stats.count(Counted.REFUSED)
            if time.monotonic() - self._swept > _SWEEP_PAUSE_SECONDS:
                self._swept = time.monotonic()
                self._queue.submit(self._make_room)
        else:
            self.stats.count(Counted.ERRORS)
            logger.warning("the tier %s of the cache: %s", self.name, error.detail)


class FarTiers:
    """Those below the first, nearest first. There may be none."""

    def __init__(self, tiers: Sequence[FarTier] = ()) -> None:
        self._tiers = tuple(tiers)

    def __iter__(self) -> Iterator[FarTier]:
        return iter(self._tiers)

    def __bool__(self) -> bool:
        return bool(self._tiers)

    def find(self, key: DerivativeKey) -> Found | None:
        """From the nearest that has it; those between get it too. Raises nothing."""
        for number, tier in enumerate(self._tiers):
            found = tier.find(key)
            if found is not None:
                for nearer in self._tiers[:number]:
                    nearer.put_later(key, reading(found.content_type, found.body))
                return found
        return None

    def keep(self, key: DerivativeKey, read: Read) -> None:
        for tier in self._tiers:
            tier.put_later(key, read)

    def after_writes(self, job: Job) -> None:
        """When the nearest has what it was given before: from then on other nodes find it."""
        if not self._tiers or not self._tiers[0].do_later(job):
            job()

    def discard(self, image: str | None, before_version: int | None, *, dry_run: bool) -> Amount:
        """In each that can be asked; what was freed. Raises CacheError after the last one, if one failed."""
        freed, failed = NOTHING, None
        for tier in self._tiers:
            tier.wait()
            try:
                freed += tier.backend.discard(image, before_version, dry_run=dry_run)
            except CacheError as error:
                logger.warning("the tier %s could not be purged: %s", tier.name, error.detail)
                failed = error
        if failed is not None:
            raise failed
        return freed

    def sweep(self) -> None:
        """Each that can be swept. Raises nothing."""
        for tier in self._tiers:
            try:
                tier.sweep()
            except CacheError as error:
                logger.warning("the tier %s could not be swept: %s", tier.name, error.detail)

    def usage(self) -> dict[str, Usage]:
        """What each holds that can be asked. Raises nothing."""
        usages = {}
        for tier in self._tiers:
            try:
                usages[tier.name] = tier.backend.usage()
            except CacheError as error:
                logger.warning("the tier %s does not say what it holds: %s", tier.name, error.detail)
        return usages


def reading(content_type: str, body: bytes) -> Read:
    """A body at hand as what is to be written."""
    return lambda: Entry(content_type, len(body), iter((body,)))
