"""The cache of derivatives as the rest of the server sees it: it answers, or has the answer made.

Nothing that goes wrong with the cache itself reaches a caller. An entry that cannot be read is a
miss; a derivative that cannot be kept is served all the same, and after a failed write no more is
tried for a while.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from caching.backends.null import NullBackend
from caching.backends.protocol import DerivativeBackend, Entry, SweepReport, Usage
from caching.background import BackgroundQueue
from caching.company import working_for
from caching.counters import Counters
from caching.errors import CacheError, CorruptEntryError
from caching.eviction import Amount
from caching.keeping import Keeper, Keeping
from caching.keys import DerivativeKey
from caching.locks import Locks
from caching.memory import Memory
from caching.production import Derivative, Landing, Outcome, Production, close_chunks
from caching.relay import Relay
from caching.second_demand import SecondDemand
from caching.singleflight import (
    Flight,
    FlightAbandonedError,
    FlightTimeoutError,
    SingleFlight,
)
from caching.stats import CacheStats, Counted
from caching.sweep import SweepTrigger
from caching.tiers import FarTiers, reading

logger = logging.getLogger(__name__)

_AT_ONCE_SECONDS = 0.01
_FOLLOWED = 10_000
"""Discards of others that wait for this node's disk: as many images as a bulk action changes in minutes."""


class DerivativeCache:
    """Tiers with single flight in front of them; `locks` are for other work that is not to be done twice.

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
        self._demand = demand or SecondDemand(0)
        self._announce = announce
        self._memory = Memory(memory_bytes, clock)
        self._flights = flights or SingleFlight()
        self._locks = locks
        self._wait_seconds = wait_seconds
        self._clock = clock
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
        return self.find(key) or self._fetch(key)

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
        deadline = self._clock() + self._wait_seconds
        while True:
            flight, leads = self._flights.join(key.digest)
            if leads:
                return self._lead(key, produce, flight, stream=stream, is_foreseen=is_foreseen)
            self.stats.count(Counted.WAITS)
            try:
                landing = flight.wait(deadline - self._clock())
                if landing.withheld and landing.body is None:
                    continue
                shared = self._share(key, landing)
            except FlightAbandonedError:
                continue
            except FlightTimeoutError:
                self.stats.count(Counted.WAIT_TIMEOUTS)
                self._flights.retire(key.digest, flight)
                shared = None
            alone = self._flights.alone()
            return shared or self._lead(key, produce, alone, stream=stream, is_foreseen=is_foreseen)

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

    @contextmanager
    def working_alone(self, digest: str, patience_seconds: float) -> Iterator[bool]:
        """Let no other process do the same work meanwhile; after `patience_seconds`, go on all the same.

        True where somebody else has been doing it.
        """
        locks, began = self._locks, time.monotonic()
        is_locked = locks is not None and locks.acquire(digest, patience_seconds)
        try:
            yield time.monotonic() - began > _AT_ONCE_SECONDS
        finally:
            if locks is not None and is_locked:
                locks.release(digest)

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

    def _fetch(self, key: DerivativeKey, flight: Flight[Landing] | None = None) -> Derivative | None:
        """The derivative from a tier below the first, which gets it too."""
        found = self._far.find(key)
        if found is None:
            return None
        self.stats.count_hit(len(found.body))
        if flight is not None:
            flight.share(Landing(found.content_type, found.body, kept=True))
        keeping = self._keeper.open(key, found.content_type, is_new=False)
        keeping.write(found.body)
        keeping.commit()
        if flight is not None:
            flight.leave()
        return Derivative(found.content_type, len(found.body), iter((found.body,)), "hit")

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

    def _share(self, key: DerivativeKey, landing: Landing) -> Derivative | None:
        """A follower's derivative; None if it has to be made again because it was not kept."""
        if landing.body is not None:
            chunks = iter((landing.body,))
            return Derivative(landing.content_type, len(landing.body), chunks, "waited")
        entry = self._look_up(key) if landing.kept else None
        if entry is None:
            return None
        return Derivative(entry.content_type, entry.length, entry.chunks, "waited")

    def _lead(
        self,
        key: DerivativeKey,
        produce: Callable[[], Production],
        flight: Flight[Landing],
        *,
        stream: bool,
        is_foreseen: Callable[[], bool] | None,
    ) -> Derivative:
        try:
            # Another thread or process may have made it between the first look and the lead.
            entry = self._look_up(key)
            if entry is not None:
                self.stats.count(Counted.WAITS)
                flight.share(Landing(entry.content_type, None, kept=True))
                flight.leave()
                return Derivative(entry.content_type, entry.length, entry.chunks, "waited")
            fetched = self._fetch(key, flight)
            if fetched is not None:
                return fetched
            self.stats.count(Counted.MISSES)
            make = self._relay if stream else self._collect
            with working_for(flight.errand):
                production = produce()
                is_wanted = self._is_wanted(key, production, is_foreseen)
                return make(key, production, flight, is_wanted=is_wanted)
        except Exception as error:
            flight.fail(error)
            flight.leave()
            raise
        except BaseException:
            flight.leave()
            raise

    def _is_wanted(self, key: DerivativeKey, production: Production, is_foreseen: Callable[[], bool] | None) -> bool:
        """Whether to keep it now. For what is quick, asking other processes would cost as much as making it."""
        if production.is_quick:
            return self._demand.is_second_here(key)
        return is_foreseen is None or is_foreseen() or self._demand.is_second(key)

    def _collect(
        self, key: DerivativeKey, production: Production, flight: Flight[Landing], *, is_wanted: bool
    ) -> Derivative:
        try:
            body = b"".join(production.chunks)
        finally:
            close_chunks(production.chunks)
        # Followers have their answer before the disk has it.
        flight.share(Landing(production.content_type, body, kept=is_wanted))
        keeping, outcome = self._begin(key, production, is_wanted=is_wanted)
        keeping.write(body)
        if not keeping.commit() and is_wanted and body:
            self._far.keep(key, reading(production.content_type, body))
        flight.leave()
        return Derivative(production.content_type, len(body), iter((body,)), outcome)

    def _begin(self, key: DerivativeKey, production: Production, *, is_wanted: bool) -> tuple[Keeping, Outcome]:
        if not is_wanted:
            return self._keeper.withhold(), "miss"
        keeping = self._keeper.open(key, production.content_type)
        return keeping, "miss" if keeping.is_active else "bypassed"

    def _relay(
        self, key: DerivativeKey, production: Production, flight: Flight[Landing], *, is_wanted: bool
    ) -> Derivative:
        try:
            first = next(production.chunks, None)
        except BaseException:
            close_chunks(production.chunks)
            raise
        keeping, outcome = self._begin(key, production, is_wanted=is_wanted)
        chunks = Relay(first, production, keeping, flight, self.stats)
        return Derivative(production.content_type, None, chunks, outcome)
