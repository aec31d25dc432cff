"""A production on its way to the client, copied into the cache as it passes."""

from collections.abc import Iterator

from caching.keeping import Keeping
from caching.production import Landing, Production, close_chunks
from caching.singleflight import Flight
from caching.stats import CacheStats, Counted


class Relay(Iterator[bytes]):
    """Hands on chunks, and ends the flight in one of three ways.

    After the last chunk the derivative is kept, and shared with the followers through the cache.
    An error of the producer is theirs as well. If the reader goes away first, one of them leads next.
    Where nothing is kept there is nothing to share: the followers are let go at once, to work side
    by side. Read by one thread at a time.
    """

    def __init__(
        self, first: bytes | None, production: Production, keeping: Keeping, flight: Flight[Landing], stats: CacheStats
    ) -> None:
        self._first = first
        self._production = production
        self._keeping = keeping
        self._flight = flight
        self._stats = stats
        self._is_over = False
        if not keeping.is_active:
            self._land(kept=False)

    def __next__(self) -> bytes:
        if self._is_over:
            raise StopIteration
        try:
            chunk = self._take()
        except StopIteration:
            self._end()
            raise
        except Exception as error:
            self._flight.fail(error)
            self._fail()
            raise
        except BaseException:
            self.close()
            raise
        self._keeping.write(chunk)
        return chunk

    def close(self) -> None:
        """Stop the production. Does nothing after its end."""
        if not self._is_over:
            self._stats.count(Counted.ABORTED)
            self._fail()

    def _take(self) -> bytes:
        first, self._first = self._first, None
        return next(self._production.chunks) if first is None else first

    def _end(self) -> None:
        self._is_over = True
        self._land(kept=self._keeping.commit())
        close_chunks(self._production.chunks)

    def _fail(self) -> None:
        self._is_over = True
        try:
            close_chunks(self._production.chunks)
        finally:
            self._keeping.discard()
            self._flight.leave()

    def _land(self, *, kept: bool) -> None:
        landing = Landing(self._production.content_type, None, kept=kept, withheld=self._keeping.is_withheld)
        self._flight.share(landing)
        self._flight.leave()

    def __del__(self) -> None:
        # A response that was dropped before it began: nobody else would end the flight.
        self.close()
