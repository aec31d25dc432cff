"""A circuit breaker: what has just failed again and again is left alone for a while, then tried by one caller."""

import threading
import time
from collections.abc import Callable


class Breaker:
    """Closed, it lets everybody through; after `failures` in a row it is open for `rest_seconds`.

    Then one caller at a time may try. A success closes it, a failure opens it for as long again. Thread-safe, and free
    of locks while it is closed.
    """

    def __init__(self, failures: int, rest_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open_until: float | None = None

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    @property
    def in_a_row(self) -> int:
        """Failures since the last success."""
        return self._in_a_row

    def allows(self) -> bool:
        """Whether the caller may try; it has to say how that ended."""
        if not self.is_open:
            return True
        with self._lock:
            now, until = self._clock(), self._open_until
            if until is not None:
                if now < until:
                    return False
                self._open_until = now + self._rest_seconds  # the others wait for how this try ends
            return True

    def note_success(self) -> None:
        if self._in_a_row or self.is_open:
            with self._lock:
                self._in_a_row = 0
                self._open_until = None

    def note_no_try(self) -> None:
        """Who was allowed to try has found out nothing: while it is open still, the next one may at once."""
        with self._lock:
            if self._open_until is not None:
                self._open_until = self._clock()

    def note_failure(self) -> None:
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._open_until = self._clock() + self._rest_seconds
