"""The cache of derivatives as the rest of the server sees it: it answers, or has the answer made.

Nothing that goes wrong with the cache itself reaches a caller. An entry that cannot be read is a
miss; a derivative that cannot be kept is served all the same, and after a failed write no more is
tried for a while.
"""

import logging
import os
import time
from collections.abc import Callable
from functools import lru_cache

from caching.backends.null import NullBackend
from caching.backends.protocol import DerivativeBackend, Entry, SweepReport, Usage
from caching.backends.registry import build_backend
from caching.conf import conf
from caching.errors import CacheError, CorruptEntryError
from caching.eviction import Amount
from caching.keeping import Keeper
from caching.keys import DerivativeKey
from caching.locks import KeyLocks
from caching.production import Derivative, Landing, Outcome, Production, close_chunks
from caching.relay import Relay
from caching.singleflight import (
    Flight,
    FlightAbandonedError,
    FlightTimeoutError,
    SingleFlight,
)
from caching.stats import CacheStats, Counted
from caching.sweep import SweepTrigger

logger = logging.getLogger(__name__)

__all__ = ["Derivative", "DerivativeCache", "Outcome", "Production", "get_derivative_cache"]


class DerivativeCache:
    """A backend with single flight in front of it.

    `wait_seconds` is the patience of a request that waits for another's production; `entry_bytes`
    the longest body that is kept; `bypass_seconds` how long writing rests after a failed write.
    """

    def __init__(
        self,
        backend: DerivativeBackend,
        flights: SingleFlight[Landing] | None = None,
        *,
        wait_seconds: float = 30.0,
        entry_bytes: int = 128 * 2**20,
        bypass_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = CacheStats()
        self._backend = backend
        self._flights = flights or SingleFlight()
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._trigger = SweepTrigger(self.sweep)
        self._keeper = Keeper(
            backend,
            self.stats,
            entry_bytes=entry_bytes,
            bypass_seconds=bypass_seconds,
            clock=clock,
            request_sweep=self._trigger.request,
        )

    def find(self, key: DerivativeKey) -> Derivative | None:
        """The derivative if it is kept. Raises nothing."""
        entry = self._look_up(key)
        if entry is None:
            return None
        self.stats.count(Counted.HITS)
        self.stats.count(Counted.HIT_BYTES, entry.length)
        return Derivative(entry.content_type, entry.length, entry.chunks, "hit")

    def get_or_create(
        self, key: DerivativeKey, produce: Callable[[], Production], *, stream: bool = False
    ) -> Derivative:
        """The derivative from the cache, from a request that is just making it, or made by `produce`.

        With `stream` the maker's own response gets the chunks as they are made, and its length is
        not known; else it is collected first. Raises what `produce` or its chunks raise: before
        this returns if that happens before the first chunk, else from `chunks`.
        """
        found = self.find(key)
        if found is not None:
            return found
        deadline = self._clock() + self._wait_seconds
        while True:
            flight, leads = self._flights.join(key.digest)
            if leads:
                return self._lead(key, produce, flight, stream=stream)
            self.stats.count(Counted.WAITS)
            try:
                shared = self._share(key, flight.wait(deadline - self._clock()))
            except FlightAbandonedError:
                continue
            except FlightTimeoutError:
                self.stats.count(Counted.WAIT_TIMEOUTS)
                self._flights.retire(key.digest, flight)
                shared = None
            return shared or self._lead(key, produce, self._flights.alone(), stream=stream)

    def discard_image(self, image: str, *, before_version: int | None = None, dry_run: bool = False) -> Amount:
        """Remove the entries of an image, or only those of its older versions; what was freed.

        Raises CacheError.
        """
        return self._backend.discard(image, before_version, dry_run=dry_run)

    def discard_all(self, *, dry_run: bool = False) -> Amount:
        """Remove every entry; what was freed. Raises CacheError."""
        return self._backend.discard(dry_run=dry_run)

    def sweep(self) -> SweepReport:
        """Remove what is of no use and make room. Raises CacheError."""
        report = self._backend.sweep()
        self.stats.count(Counted.SWEEPS, int(report.ran))
        self.stats.count(Counted.EVICTIONS, report.evicted.entries)
        self.stats.count(Counted.EVICTED_BYTES, report.evicted.bytes)
        self.stats.count(Counted.CORRUPT, report.damaged)
        return report

    def usage(self) -> Usage:
        """What is kept, over all processes. Raises CacheError."""
        return self._backend.usage()

    def wait_for_sweep(self, timeout_seconds: float = 10.0) -> None:
        """Wait for a sweep that this process runs in the background, if it does."""
        self._trigger.join(timeout_seconds)

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
    ) -> Derivative:
        try:
            # Another thread or process may have made it between the first look and the lead.
            entry = self._look_up(key)
            if entry is not None:
                self.stats.count(Counted.WAITS)
                flight.share(Landing(entry.content_type, None, kept=True))
                flight.leave()
                return Derivative(entry.content_type, entry.length, entry.chunks, "waited")
            self.stats.count(Counted.MISSES)
            production = produce()
            make = self._relay if stream else self._collect
            return make(key, production, flight)
        except Exception as error:
            flight.fail(error)
            flight.leave()
            raise
        except BaseException:
            flight.leave()
            raise

    def _collect(self, key: DerivativeKey, production: Production, flight: Flight[Landing]) -> Derivative:
        try:
            body = b"".join(production.chunks)
        finally:
            close_chunks(production.chunks)
        # Followers have their answer before the disk has it.
        flight.share(Landing(production.content_type, body, kept=True))
        keeping = self._keeper.open(key, production.content_type)
        outcome: Outcome = "miss" if keeping.is_active else "bypassed"
        keeping.write(body)
        keeping.commit()
        flight.leave()
        return Derivative(production.content_type, len(body), iter((body,)), outcome)

    def _relay(self, key: DerivativeKey, production: Production, flight: Flight[Landing]) -> Derivative:
        try:
            first = next(production.chunks, None)
        except BaseException:
            close_chunks(production.chunks)
            raise
        keeping = self._keeper.open(key, production.content_type)
        outcome: Outcome = "miss" if keeping.is_active else "bypassed"
        chunks = Relay(first, production, keeping, flight, self.stats)
        return Derivative(production.content_type, None, chunks, outcome)


@lru_cache(maxsize=1)
def get_derivative_cache() -> DerivativeCache:
    """The cache that the settings describe; one per process."""
    backend = (
        build_backend(conf.backend, byte_budget=conf.byte_budget, entry_budget=conf.entry_budget)
        if conf.switch != "off"
        else NullBackend()
    )
    locks = KeyLocks(conf.lock_file) if conf.lock_file is not None else None
    return DerivativeCache(
        backend,
        # Half a follower's patience: a leader that waits for another process must not lose them all.
        SingleFlight(locks, lock_seconds=conf.wait_seconds / 2),
        wait_seconds=conf.wait_seconds,
        entry_bytes=conf.entry_bytes,
        bypass_seconds=conf.bypass_seconds,
    )


os.register_at_fork(after_in_child=get_derivative_cache.cache_clear)
