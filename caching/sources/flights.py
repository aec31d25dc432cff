"""Which extents of an object this process is fetching just now: whoever needs them waits, and fetches the rest."""

import threading
from collections.abc import Callable

from caching.singleflight import FlightTimeoutError
from caching.sources.extents import Assembly, Extent, missing, overlaps


class ExtentFlight:
    """A fetch of some extents. Who claimed it calls `land` in any case, with the error if there was one."""

    def __init__(self, extents: list[Extent]) -> None:
        self.extents = extents
        self.bodies: list[bytes] = []
        self.error: Exception | None = None
        self._over = threading.Event()

    def land(self, error: Exception | None = None) -> None:
        self.error = error
        self._over.set()

    def give(self, assembly: Assembly) -> None:
        """What was fetched; nothing where who claimed it left without either."""
        for (start, _stop), body in zip(self.extents, self.bodies, strict=False):
            assembly.add(start, body)

    def wait(self, timeout_seconds: float) -> None:
        """Raises FlightTimeoutError."""
        if not self._over.wait(max(0.0, timeout_seconds)):
            raise FlightTimeoutError


class ExtentFlights:
    """Those of one object. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: list[ExtentFlight] = []

    def claim(
        self, wanted: list[Extent], holds: Callable[[list[Extent]], bool]
    ) -> tuple[ExtentFlight | None, list[ExtentFlight]]:
        """A flight of what nobody is fetching, if that is anything, and the flights that bring the rest.

        Neither where `holds` says that some of it has come in the meantime.
        """
        with self._lock:
            if holds(wanted):
                return None, []
            others = [flight for flight in self._flights if overlaps(flight.extents, wanted)]
            left = missing(wanted, [extent for flight in others for extent in flight.extents])
            if not left:
                return None, others
            flight = ExtentFlight(left)
            self._flights.append(flight)
            return flight, others

    def land(self, flight: ExtentFlight, error: Exception | None = None) -> None:
        """What was fetched has to be findable before."""
        with self._lock:
            self._flights.remove(flight)
        flight.land(error)
