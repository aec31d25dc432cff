"""One production per key at a time; whoever asks meanwhile waits for it, but not for ever.

The first to join a key leads, the others follow. What a leader's end means to its followers:
- it shared a value: they take it;
- it failed with an Exception: they get the same one. The work is a function of the key, so a second
  try would cost as much and end alike; a poisonous source costs one decoder and not one per client;
- it left without either (its client went away, its thread is being ended): one of them leads next;
- it takes longer than a follower's patience: that follower works alone, and the next to come lead anew.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from caching.company import Errand, wait_along
from caching.locks import Locks

T = TypeVar("T")


class FlightTimeoutError(Exception):
    """A follower waited as long as it may."""


class FlightAbandonedError(Exception):
    """The leader left with neither a value nor an error."""


class Flight(Generic[T]):
    """One production under way. The leader calls `share` or `fail`, and in any case `leave`.

    Whoever works for its `errand` tells the followers what they wait for (see `caching.company`).
    """

    def __init__(self) -> None:
        self.errand = Errand()
        self.on_leave: Callable[[], None] | None = None
        self._over = threading.Event()
        self._leaving = threading.Lock()
        self._value: T | None = None
        self._error: Exception | None = None

    def share(self, value: T) -> None:
        self._value = value
        self._over.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._over.set()

    def leave(self) -> None:
        """Make room for the next flight of the key. Calling it again changes nothing."""
        with self._leaving:
            on_leave, self.on_leave = self.on_leave, None
        try:
            if on_leave is not None:
                on_leave()
        finally:
            self._over.set()

    def wait(self, timeout_seconds: float) -> T:
        """The leader's value, or its error raised.

        Raises FlightTimeoutError or FlightAbandonedError, and what the company of the leader raises.
        """
        if not wait_along(self._over, self.errand, timeout_seconds):
            raise FlightTimeoutError
        if self._error is not None:
            raise self._error
        if self._value is None:
            raise FlightAbandonedError
        return self._value


class SingleFlight(Generic[T]):
    """The flights of a process, and through `locks` one leader among the processes of the host, or of all nodes.

    A leader waits at most `lock_seconds` for the leader of another process. Keep that below the
    patience of followers, else all of them would lose it together with their leader.
    """

    def __init__(self, locks: Locks | None = None, lock_seconds: float = 15.0) -> None:
        self._locks = locks
        self._lock_seconds = lock_seconds
        self._mutex = threading.Lock()
        self._flights: dict[str, Flight[T]] = {}

    def join(self, digest: str) -> tuple[Flight[T], bool]:
        """The flight of the key, and whether the caller leads it."""
        with self._mutex:
            flight = self._flights.get(digest)
            if flight is not None:
                return flight, False
            flight = self._flights[digest] = Flight()
        flight.on_leave = lambda: self.retire(digest, flight)
        try:
            if self._locks is not None and self._locks.acquire(digest, self._lock_seconds):
                flight.on_leave = lambda: self._land(digest, flight)
        except BaseException:
            flight.leave()
            raise
        return flight, True

    def alone(self) -> Flight[T]:
        """A flight that nobody can follow."""
        return Flight()

    def retire(self, digest: str, flight: Flight[T]) -> None:
        """Let nobody else follow this flight."""
        with self._mutex:
            if self._flights.get(digest) is flight:
                del self._flights[digest]

    def _land(self, digest: str, flight: Flight[T]) -> None:
        self.retire(digest, flight)
        if self._locks is not None:
            self._locks.release(digest)
