"""Who waits for the bytes of a store: a bulkhead, so that a store that hangs holds few of a process's threads.

A place is refused only where no read has ended for a while: as long as reads end, any number waits for its turn.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from caching.breaker import Breaker
from caching.singleflight import FlightTimeoutError
from caching.sources.objects import FillTimeoutError

PATIENCE_SECONDS = 2.0
"""Without the end of a read from a store or of a source, after which nobody waits for a place any more; a failure that
took longer counts as a time-out."""


class StoreStalledError(Exception):
    """Too many wait already for a store that delivers nothing; `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many wait for a store that delivers nothing")
        self.retry_after = retry_after


@dataclass(slots=True)
class _Crowd:
    """Those who wait for one store or one source; forgotten when the last one leaves."""

    inside: int = 0
    asking: int = 0
    delivered: float = 0.0


@dataclass(slots=True)
class _Origin:
    """`timed_out`: sources of the store that did, since something came from it."""

    breaker: Breaker
    timed_out: set[str] = field(default_factory=set)


class Crowds:
    """At most `most` threads at a time wait for one store, half as many for one source of it.

    After time-outs of `timeouts` sources of a store in a row, nobody waits for that store for `rest_seconds`; then one
    tries. Thread-safe.
    """

    def __init__(
        self, most: int, timeouts: int, rest_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._timeouts = timeouts
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._moved = threading.Condition()
        self._crowds: dict[tuple[str, str], _Crowd] = {}
        self._origins: dict[str, _Origin] = {}

    @contextmanager
    def waiting(self, store: str, source: str) -> Iterator[None]:
        """A place among those who wait for bytes that are not here. Raises StoreStalledError."""
        origin = self._origin(store)
        if not origin.breaker.allows():
            raise StoreStalledError(self._retry_after)
        with ExitStack() as stack:
            stack.enter_context(self._place((store, source), max(1, self._most // 2)))
            stack.enter_context(self._place((store, ""), self._most))
            began = self._clock()
            try:
                yield
            except (FlightTimeoutError, FillTimeoutError):  # somebody else fetches, and may get there
                raise
            except Exception:
                if self._clock() - began >= PATIENCE_SECONDS:
                    self._note_timeout(origin, source)
                raise

    def note_delivery(self, store: str, source: str) -> None:
        """Bytes of the source have come from the store."""
        origin = self._origin(store)
        with self._moved:
            now = self._clock()
            for name in ((store, ""), (store, source)):
                if (crowd := self._crowds.get(name)) is not None:
                    crowd.delivered = now
            origin.timed_out.clear()
        origin.breaker.note_success()

    def count(self, store: str) -> int:
        """How many wait for the store now."""
        with self._moved:
            crowd = self._crowds.get((store, ""))
            return crowd.inside if crowd else 0

    @property
    def _retry_after(self) -> int:
        return max(1, round(self._rest_seconds))

    def _origin(self, store: str) -> _Origin:
        with self._moved:
            if store not in self._origins:
                self._origins[store] = _Origin(Breaker(self._timeouts, self._rest_seconds, self._clock))
            return self._origins[store]

    @contextmanager
    def _place(self, name: tuple[str, str], most: int) -> Iterator[None]:
        with self._moved:
            crowd = self._crowds.setdefault(name, _Crowd(delivered=self._clock()))
            crowd.asking += 1
        try:
            self._enter(crowd, most)
            try:
                yield
            finally:
                with self._moved:
                    crowd.inside -= 1
                    self._moved.notify_all()
        finally:
            with self._moved:
                crowd.asking -= 1
                if not crowd.asking:
                    del self._crowds[name]

    def _enter(self, crowd: _Crowd, most: int) -> None:
        with self._moved:
            while crowd.inside >= most:
                left = crowd.delivered + PATIENCE_SECONDS - self._clock()
                if left <= 0:
                    raise StoreStalledError(self._retry_after)
                self._moved.wait(left)
            crowd.inside += 1

    def _note_timeout(self, origin: _Origin, source: str) -> None:
        """One source that never comes says nothing of its store, however often it is asked for."""
        with self._moved:
            if source in origin.timed_out and not origin.breaker.is_open:
                return
            origin.timed_out.add(source)
        origin.breaker.note_failure()
