"""Whole sources in the memory of a process."""

from collections.abc import Callable, Sequence

from caching.singleflight import FlightAbandonedError, FlightTimeoutError, SingleFlight
from caching.sources.extents import Extent
from caching.sources.filling import PIECE_BYTES
from caching.sources.keys import SourceKey
from caching.sources.lru import ByteLru
from caching.sources.stats import SourceCounted, SourceStats


class MemoryObjects:
    """The sources used last, within `byte_budget`. `wait_seconds`: for another thread that is fetching the same."""

    def __init__(self, byte_budget: int, *, stats: SourceStats, wait_seconds: float = 30.0) -> None:
        self._byte_budget = byte_budget
        self._held: ByteLru[str] = ByteLru(byte_budget)
        self._stats = stats
        self._wait_seconds = wait_seconds
        self._flights: SingleFlight[bytes] = SingleFlight()

    @property
    def byte_size(self) -> int:
        return self._held.byte_size

    def find(self, key: SourceKey) -> bytes | None:
        data = self._held.find(key.name)
        if data is not None:
            self._stats.count(key.store, SourceCounted.MEMORY_HITS)
        return data

    def takes(self, byte_size: int) -> bool:
        """Not what would push out more than half of the others."""
        return 2 * byte_size <= self._byte_budget

    def get(self, key: SourceKey, byte_size: int, fetch: Callable[[list[Extent]], Sequence[bytes]]) -> bytes:
        """The whole source, fetched by one thread. Raises what `fetch` raises, and FlightTimeoutError."""
        while (data := self.find(key)) is None:
            flight, leads = self._flights.join(key.digest)
            if not leads:
                self._stats.count(key.store, SourceCounted.WAITS)
                try:
                    return flight.wait(self._wait_seconds)
                except FlightAbandonedError:
                    continue
                except FlightTimeoutError:
                    self._stats.count(key.store, SourceCounted.WAIT_TIMEOUTS)
                    raise
            try:
                data = self._held.find(key.name) or self._fetched(key, byte_size, fetch)
                self._held.put(key.name, data)
                flight.share(data)
            except Exception as error:
                flight.fail(error)
                raise
            finally:
                flight.leave()
            return data
        return data

    def discard(self, place: str) -> None:
        """All versions of one source."""
        self._held.discard(lambda name: name.startswith(place))

    def clear(self) -> None:
        self._held.clear()

    def _fetched(self, key: SourceKey, byte_size: int, fetch: Callable[[list[Extent]], Sequence[bytes]]) -> bytes:
        pieces = [(start, min(start + PIECE_BYTES, byte_size)) for start in range(0, byte_size, PIECE_BYTES)]
        self._stats.count(key.store, SourceCounted.ORIGIN_REQUESTS, len(pieces))
        try:
            data = b"".join(fetch(pieces))
        except Exception:
            self._stats.count(key.store, SourceCounted.ORIGIN_ERRORS)
            raise
        self._stats.count(key.store, SourceCounted.ORIGIN_BYTES, len(data))
        if len(data) != byte_size:
            raise ValueError(f"{len(data)} of {byte_size} bytes were fetched")
        return data
