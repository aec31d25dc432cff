"""The cache of derivatives as the rest of the server sees it: it answers, or has the answer made.

Nothing that goes wrong with the cache itself reaches a caller. An entry that cannot be read is a
miss; a derivative that cannot be kept is served all the same, and after a failed write no more is
tried for a while.
"""

import logging
import time
from collections.abc import Callable, Iterator

from caching.alone import Alone
from caching.backends.null import NullBackend
from caching.backends.protocol import DerivativeBackend, Entry, SweepReport, Usage
from caching.background import BackgroundQueue
from caching.counters import Counters
from caching.errors import CacheError, CorruptEntryError
from caching.eviction import Amount
from caching.keeping import Keeper
from caching.keys import DerivativeKey
from caching.locks import Locks
from caching.making import Maker
from caching.memory import Memory
from caching.production import Derivative, Landing, Production, close_chunks
from caching.second_demand import SecondDemand
from caching.singleflight import SingleFlight
from caching.stats import CacheStats, Counted
from caching.sweep import SweepTrigger
from caching.tiers import FarTiers, reading

logger = logging.getLogger(__name__)

_TILE_BYTES = 64 * 1024
_FOLLOWED = 10_000
"""Discards of others that wait for this node's disk: as many images as a bulk action changes in minutes."""


class DerivativeCache:
    """Tiers with single flight in front of them; `alone`, with `locks`, is for other work that is not to be done twice.

    `backend` is the first tier, asked for every request that memory does not answer; `far` are asked only by who would
    have to make the derivative. `demand` tells what was asked for before. `announce` tells other processes what was
    discarded: an image or nothing, and the version before which. `wait_seconds` is the patience of a request that waits
    for another's production; `entry_bytes` the longest body that is kept; `memory_bytes` what is kept in memory as
    well; `bypass_seconds` how long writing rests after a failed write.
    """

    def __init__(
        self,
        backend: DerivativeBackend,
        flights: SingleFlight[Landing] | None = None,
        *,
        wait_seconds: float = 30.0,
        entry_bytes: int = 128 * 2**20,
        memory_bytes: int = 0,
        bypass_seconds: float = 60.0,
        locks: Locks | None = None,
        far: FarTiers | None = None,
        demand: SecondDemand | None = None,
        announce: Callable[[str, str], None] = lambda _image, _before_version: None,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = CacheStats(counters)
        self._backend = backend
        self._far = far or FarTiers()
        self._announce = announce
        self._memory = Memory(memory_bytes, clock)
        self.alone = Alone(locks)
        self._trigger = SweepTrigger(self.sweep)
        self._followed = BackgroundQueue("discards", _FOLLOWED)
        self._keeper = Keeper(
            backend,
            self.stats,
            entry_bytes=entry_bytes,
            bypass_seconds=bypass_seconds,
            clock=clock,
            request_sweep=self._trigger.request,
            note_new=self._spread,
        )
        self._demand = demand or SecondDemand(0)
        self._maker = Maker(
            self._look_up,
            self._keeper,
            self._far,
            flights or SingleFlight(),
            self._demand,
            self.stats,
            wait_seconds=wait_seconds,
            clock=clock,
        )

    def find(self, key: DerivativeKey) -> Derivative | None:
        """The derivative if it is kept, in memory or in the first tier. Raises nothing."""
        remembered = self._memory.find(key)
        if remembered is not None:
            byte_size = len(remembered.body)
            self.stats.count_hit(byte_size, from_memory=True)
            return Derivative(remembered.content_type, byte_size, iter((remembered.body,)), "hit")
        entry = self._look_up(key)
        if entry is None:
            return None
        try:
            chunks = self._remembered(key, entry)
        except CacheError as error:
            self.stats.count(Counted.ERRORS)
            logger.warning("an entry could not be read: %s", error.detail)
            return None
        self.stats.count_hit(entry.length)
        return Derivative(entry.content_type, entry.length, chunks, "hit")

    def find_anywhere(self, key: DerivativeKey) -> Derivative | None:
        """The derivative if it is kept in any tier. Raises nothing."""
        return self.find(key) or self._maker.fetch(key)

    def get_or_create(
        self,
        key: DerivativeKey,
        produce: Callable[[], Production],
        *,
        stream: bool = False,
        is_foreseen: Callable[[], bool] | None = None,
        looked: bool = False,
    ) -> Derivative:
        """The derivative from the cache, from a request that is just making it, or made by `produce`.

        With `stream` the maker's own response gets the chunks as they are made, and its length is
        not known; else it is collected first. What `is_foreseen` denies, or is made quickly, is kept only when
        it is asked for a second time. `looked`: `find` has just found nothing. Raises what `produce` or
        its chunks raise: before this returns if that happens before the first chunk, else from `chunks`.
        """
        found = None if looked else self.find(key)
        if found is not None:
            return found
        return self._maker.make_or_share(key, produce, stream=stream, is_foreseen=is_foreseen)

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all, so that it pays to make more than is asked for."""
        return not isinstance(self._backend, NullBackend)

    def is_kept(self, key: DerivativeKey) -> bool:
        """Whether the derivative is in the first tier; not counted, since nobody asked for it. Raises nothing."""
        entry = self._look_up(key)
        if entry is None:
            return False
        close_chunks(entry.chunks)
        return True

    def keep(self, key: DerivativeKey, content_type: str, body: bytes) -> bool:
        """Keep what was made without being asked for; whether that was possible. Raises nothing."""
        keeping = self._keeper.open(key, content_type)
        keeping.write(body)
        is_kept = keeping.commit()
        if not is_kept:
            self._far.keep(key, reading(content_type, body))
        return is_kept

    @property
    def has_memory(self) -> bool:
        """Whether tiles can be kept in memory alone."""
        return self.keeps and self._memory.takes(_TILE_BYTES)

    def remembers(self, key: DerivativeKey) -> bool:
        """Whether the derivative is in memory or in the first tier; not counted. Raises nothing."""
        return self._memory.find(key) is not None or self.is_kept(key)

    def remember(self, key: DerivativeKey, content_type: str, body: bytes) -> bool:
        """Keep what was made quickly and without being asked for; whether there was room. Raises nothing.

        In memory alone the first time; where it had to be made again, that counts as its second demand.
        """
        if self._demand.is_second_here(key):
            return self.keep(key, content_type, body)
        is_taken = bool(body) and self._memory.takes(len(body))
        if is_taken:
            self._memory.put(key, content_type, body)
        return is_taken

    def discard_image(self, image: str, *, before_version: int | None = None, dry_run: bool = False) -> Amount:
        """Remove the entries of an image, or only those of its older versions, from every tier; what was freed.

        Raises CacheError.
        """
        return self._discard(image, before_version, dry_run=dry_run)

    def discard_all(self, *, dry_run: bool = False) -> Amount:
        """Remove every entry; what was freed. Raises CacheError."""
        return self._discard(None, None, dry_run=dry_run)

    def forget(self, image: str | None = None, before_version: int | None = None) -> None:
        """Drop from memory what was discarded by somebody else."""
        self._memory.discard(image, before_version)

    def follow(self, image: str | None, before_version: int | None) -> None:
        """Do what another process has discarded: drop it from memory, and soon what is older from this node's disk.

        What a site shares was emptied by whoever announced it. Entries of no older version than that may be new ones.
        """
        self.forget(image, before_version)
        if image is None or before_version is None:
            return
        if not self._followed.submit(lambda: self._discard_here(image, before_version)):
            logger.warning("old entries stay until they are evicted: too many images were changed at once")

    def wait_for_followed(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until this node's disk is rid of what was announced before."""
        return self._followed.wait(timeout_seconds)

    def _discard_here(self, image: str, before_version: int) -> None:
        try:
            self._backend.discard(image, before_version)
        except CacheError as error:
            self.stats.count(Counted.ERRORS)
            logger.warning("old entries could not be removed: %s", error.detail)

    def _discard(self, image: str | None, before_version: int | None, *, dry_run: bool) -> Amount:
        if dry_run:
            freed = self._backend.discard(image, before_version, dry_run=True)
            return freed + self._far.discard(image, before_version, dry_run=True)
        # What is far goes first: from there it could come back.
        try:
            freed = self._far.discard(image, before_version, dry_run=False)
        finally:
            near = self._backend.discard(image, before_version)
            self.forget(image, before_version)
            self._announce(image or "", "" if before_version is None else str(before_version))
        return freed + near

    def sweep(self) -> SweepReport:
        """Remove what is of no use and make room, in every tier; what was done in the first. Raises CacheError."""
        self._far.sweep()
        report = self._backend.sweep()
        self.stats.count(Counted.SWEEPS, int(report.ran))
        self.stats.count(Counted.EVICTIONS, report.evicted.entries)
        self.stats.count(Counted.EVICTED_BYTES, report.evicted.bytes)
        self.stats.count(Counted.CORRUPT, report.damaged)
        return report

    def usage(self) -> Usage:
        """What is kept in the first tier, over all processes. Raises CacheError."""
        return self._backend.usage()

    def far_usage(self) -> dict[str, Usage]:
        """The same of the tiers below it that can be asked, by name. Raises nothing."""
        return self._far.usage()

    @property
    def far_names(self) -> tuple[str, ...]:
        """Of the tiers below the first, nearest first."""
        return tuple(tier.name for tier in self._far)

    def wait_for_writes(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until everything that was made is in every tier."""
        return all(tier.wait(timeout_seconds) for tier in self._far)

    def wait_for_sweep(self, timeout_seconds: float = 10.0) -> None:
        """Wait for a sweep that this process runs in the background, if it does."""
        self._trigger.join(timeout_seconds)

    def _remembered(self, key: DerivativeKey, entry: Entry) -> Iterator[bytes]:
        """The chunks of an entry, which is kept in memory where it is small enough."""
        if not self._memory.takes(entry.length):
            return entry.chunks
        body = b"".join(entry.chunks)
        self._memory.put(key, entry.content_type, body)
        return iter((body,))

    def _spread(self, key: DerivativeKey) -> None:
        """Copy what the first tier has just got to those below."""
        if self._far:
            self._far.keep(key, lambda: self._backend.find(key))

    def _look_up(self, key: DerivativeKey) -> Entry | None:
        try:
            return self._backend.find(key)
        except CorruptEntryError as error:
            self.stats.count(Counted.CORRUPT)
            logger.warning("a damaged entry was removed: %s", error.detail)
        except CacheError as error:
            self.stats.count(Counted.ERRORS)
            logger.warning("the cache could not be read: %s", error.detail)
        return None
