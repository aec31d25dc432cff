"""Derivatives that are not kept here: had from a farther tier, from who is just making them, or made."""

from collections.abc import Callable

from caching.backends.protocol import Entry
from caching.company import working_for
from caching.keeping import Keeper, Keeping
from caching.keys import DerivativeKey
from caching.production import Derivative, Landing, Outcome, Production, close_chunks
from caching.relay import Relay
from caching.second_demand import SecondDemand
from caching.singleflight import Flight, FlightAbandonedError, FlightTimeoutError, SingleFlight
from caching.stats import CacheStats, Counted
from caching.tiers import FarTiers, reading


class Maker:
    """One production at a time for each key. `look_up` asks the first tier, and raises nothing.

    `wait_seconds` is the patience of a request that waits for another's production.
    """

    def __init__(
        self,
        look_up: Callable[[DerivativeKey], Entry | None],
        keeper: Keeper,
        far: FarTiers,
        flights: SingleFlight[Landing],
        demand: SecondDemand,
        stats: CacheStats,
        *,
        wait_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._look_up = look_up
        self._keeper = keeper
        self._far = far
        self._flights = flights
        self._demand = demand
        self._stats = stats
        self._wait_seconds = wait_seconds
        self._clock = clock

    def make_or_share(
        self,
        key: DerivativeKey,
        produce: Callable[[], Production],
        *,
        stream: bool,
        is_foreseen: Callable[[], bool] | None,
    ) -> Derivative:
        """The derivative from a request that is just making it, or made by `produce`.

        Arguments and errors are those of `DerivativeCache.get_or_create`.
        """
        deadline = self._clock() + self._wait_seconds
        while True:
            flight, leads = self._flights.join(key.digest)
            if leads:
                return self._lead(key, produce, flight, stream=stream, is_foreseen=is_foreseen)
            self._stats.count(Counted.WAITS)
            try:
                landing = flight.wait(deadline - self._clock())
                if landing.withheld and landing.body is None:
                    continue
                shared = self._share(key, landing)
            except FlightAbandonedError:
                continue
            except FlightTimeoutError:
                self._stats.count(Counted.WAIT_TIMEOUTS)
                self._flights.retire(key.digest, flight)
                shared = None
            alone = self._flights.alone()
            return shared or self._lead(key, produce, alone, stream=stream, is_foreseen=is_foreseen)

    def fetch(self, key: DerivativeKey, flight: Flight[Landing] | None = None) -> Derivative | None:
        """The derivative from a tier below the first, which gets it too."""
        found = self._far.find(key)
        if found is None:
            return None
        self._stats.count_hit(len(found.body))
        if flight is not None:
            flight.share(Landing(found.content_type, found.body, kept=True))
        keeping = self._keeper.open(key, found.content_type, is_new=False)
        keeping.write(found.body)
        keeping.commit()
        if flight is not None:
            flight.leave()
        return Derivative(found.content_type, len(found.body), iter((found.body,)), "hit")

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
                self._stats.count(Counted.WAITS)
                flight.share(Landing(entry.content_type, None, kept=True))
                flight.leave()
                return Derivative(entry.content_type, entry.length, entry.chunks, "waited")
            fetched = self.fetch(key, flight)
            if fetched is not None:
                return fetched
            self._stats.count(Counted.MISSES)
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
        chunks = Relay(first, production, keeping, flight, self._stats)
        return Derivative(production.content_type, None, chunks, outcome)
