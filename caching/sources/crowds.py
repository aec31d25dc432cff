"""Who waits for the bytes of a store: a bulkhead, so that stores that hang hold few of a process's threads.

As long as reads of a store end, any number waits for its turn, and whoever waits for somebody who reads goes on
waiting. Where none has ended for several times as long as its reads take, those above its share are sent away at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from caching.breaker import Breaker

PATIENCE_SECONDS = 2.0
"""Without the end of a read, after which nobody waits above the share of a store whose reads are quick, or not known; a
read that failed after longer counts as a time-out."""

LEAST_PATIENCE_SECONDS = 1.5
"""Also of whoever is above the share of a store while more threads wait than may for all stores."""

_READS_OF_PATIENCE = 8
_SLOW_READS_OF_PATIENCE = 2
"""Nothing for so many times as long as the slowest of the last reads: the store hangs. The second, where that alone
would be longer than the usual patience."""
_FADING = 0.8
"""Of the slowest read, with each quicker one: after ten of those, a tenth is left."""
_LONG_BYTES = 2**20
_BYTES_A_SECOND = 4 * 2**20
"""Which a long read may take, besides what the others are allowed."""


class StoreStalledError(Exception):
    """Too many wait already for a store that delivers nothing; `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many wait for a store that delivers nothing")
        self.retry_after = retry_after


@dataclass(slots=True)
class _Crowd:
    """Those who wait for one store or one source; forgotten when the last one leaves.

    `inside`: threads that may ask. `held`: these, those who wait for a place, and those who wait along with others.
    `since`: from when on patience counts. `is_granted`: more of it, for a long read, since something has come.
    """

    since: float
    inside: int = 0
    held: int = 0
    is_granted: bool = False


@dataclass(slots=True)
class _Origin:
    """`timed_out`: sources of the store that did, since something came from it. `pace`: seconds of its slower reads."""

    breaker: Breaker
    timed_out: set[str] = field(default_factory=set)
    pace: float | None = None

    @property
    def patience(self) -> float:
        if self.pace is None:
            return PATIENCE_SECONDS
        usual = min(PATIENCE_SECONDS, max(LEAST_PATIENCE_SECONDS, _READS_OF_PATIENCE * self.pace))
        return max(usual, _SLOW_READS_OF_PATIENCE * self.pace)


class Crowds:
    """Shares of `total` threads that may wait for stores at a time.

    A store has `most` at most, and never more than half of what all others leave, but one thread always; a source half
    as many as its store. Above that one waits only while the store's reads end.
    After time-outs of `timeouts` sources of a store in a row, nobody waits for that store for `rest_seconds`; then one
    tries. Thread-safe.
    """

    def __init__(
        self,
        most: int,
        total: int,
        timeouts: int,
        rest_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._total = total
        self._timeouts = timeouts
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._moved = threading.Condition()
        self._stores: dict[str, _Crowd] = {}
        self._sources: dict[tuple[str, str], _Crowd] = {}
        self._origins: dict[str, _Origin] = {}

    @contextmanager
    def waiting(self, store: str, source: str) -> Iterator[None]:
        """A place among those who ask the store for bytes that are not here. Raises StoreStalledError."""
        breaker = self._origin(store).breaker
        tries, failures = breaker.is_open, breaker.in_a_row
        if not breaker.allows():
            raise self._refusal()
        try:
            with self._held(store, source) as (whole, own):
                self._enter(store, whole, own)
                try:
                    yield
                finally:
                    with self._moved:
                        whole.inside -= 1
                        own.inside -= 1
        finally:
            if tries and breaker.in_a_row == failures:
                breaker.note_no_try()

    @contextmanager
    def along(self, store: str, source: str) -> Iterator[Callable[[], None]]:
        """Be one of those who wait for somebody in `waiting`; the callable tells now and then whether that is still so.

        It raises StoreStalledError where too many do and nothing comes.
        """
        with self._held(store, source) as (whole, own):

            def check() -> None:
                with self._moved:
                    origin = self._origins[store]
                    if origin.breaker.is_open or self._patience_left(store, whole, own) <= 0:
                        raise self._refusal()

            self._origin(store)
            check()
            yield check

    def note_request(self, store: str, source: str, byte_count: int) -> None:
        """The source is asked for so many bytes now."""
        if byte_count < _LONG_BYTES:
            return
        with self._moved:
            for crowd in self._both(store, source):
                if not crowd.is_granted:  # once in a silence: who times out and asks again may not prolong it
                    crowd.since = self._clock() + byte_count / _BYTES_A_SECOND
                    crowd.is_granted = True

    def note_delivery(self, store: str, source: str, seconds: float) -> None:
        """Bytes of the source have come from the store, within `seconds`."""
        origin = self._origin(store)
        with self._moved:
            self._note_answer(origin, store, source)
            origin.pace = seconds if origin.pace is None else max(seconds, _FADING * origin.pace)
        origin.breaker.note_success()

    def note_answer(self, store: str, source: str) -> None:
        """The store has no bytes to give, but says so: it doesn't hang."""
        origin = self._origin(store)
        with self._moved:
            self._note_answer(origin, store, source)
        origin.breaker.note_success()

    def note_silence(self, store: str, source: str, seconds: float) -> None:
        """A read has failed without an answer, after `seconds`: a time-out, if that is long.

        One source that never comes says nothing of its store, however often it is asked for.
        """
        if seconds < PATIENCE_SECONDS:
            return
        origin = self._origin(store)
        with self._moved:
            if source in origin.timed_out and not origin.breaker.is_open:
                return
            origin.timed_out.add(source)
        origin.breaker.note_failure()

    def count(self, store: str) -> int:
        """How many threads the store holds now."""
        with self._moved:
            crowd = self._stores.get(store)
            return crowd.held if crowd else 0

    def _refusal(self) -> StoreStalledError:
        return StoreStalledError(max(1, round(self._rest_seconds)))

    def _origin(self, store: str) -> _Origin:
        with self._moved:
            if store not in self._origins:
                self._origins[store] = _Origin(Breaker(self._timeouts, self._rest_seconds, self._clock))
            return self._origins[store]

    def _note_answer(self, origin: _Origin, store: str, source: str) -> None:
        for crowd in self._both(store, source):
            crowd.since = self._clock()
            crowd.is_granted = False
        origin.timed_out.clear()

    def _both(self, store: str, source: str) -> list[_Crowd]:
        """The crowds of the store and of the source, as far as there are any."""
        found = (self._stores.get(store), self._sources.get((store, source)))
        return [crowd for crowd in found if crowd is not None]

    @contextmanager
    def _held(self, store: str, source: str) -> Iterator[tuple[_Crowd, _Crowd]]:
        """This thread is held by both, for as long as this lasts."""
        name = (store, source)
        with self._moved:
            now = self._clock()
            whole = self._stores.setdefault(store, _Crowd(now))
            own = self._sources.setdefault(name, _Crowd(now))
            whole.held += 1
            own.held += 1
        try:
            yield whole, own
        finally:
            with self._moved:
                whole.held -= 1
                own.held -= 1
                if not own.held:
                    del self._sources[name]
                if not whole.held:
                    del self._stores[store]
                self._moved.notify_all()

    def _enter(self, store: str, whole: _Crowd, own: _Crowd) -> None:
        with self._moved:
            while True:
                left = self._patience_left(store, whole, own)
                if left <= 0:
                    raise self._refusal()
                share = self._share(store)
                if whole.inside < share and own.inside < _of_source(share):
                    whole.inside += 1
                    own.inside += 1
                    return
                self._moved.wait(min(left, PATIENCE_SECONDS))

    def _share(self, store: str) -> int:
        """Of the others only those count who have a place or may get one, not who will soon be sent away."""
        others = sum(min(crowd.held, self._most) for name, crowd in self._stores.items() if name != store)
        return max(1, min(self._most, (self._total - others + 1) // 2))

    def _patience_left(self, store: str, whole: _Crowd, own: _Crowd) -> float:
        """Seconds for which one of those who are held may go on so; 0 or less where the store hangs."""
        share, patience = self._share(store), self._origins[store].patience
        if sum(crowd.held for crowd in self._stores.values()) > self._total:
            patience = min(patience, LEAST_PATIENCE_SECONDS)
        latest, left = self._clock() - patience, float("inf")
        if whole.held > share:
            left = whole.since - latest
        if own.held > _of_source(share):
            left = min(left, own.since - latest)
        return left


def _of_source(share: int) -> int:
    return max(1, share // 2)
