"""Who may decode now, who waits, and who is sent away.

There are two lanes: dear work never takes every slot, nor the whole queue.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from images.decoders.errors import OverloadedError

_RETRY_AFTER_MOST = 5
_AGAIN_SECONDS = 0.03
"""Shorter than most of what a decoder does at once."""


@dataclass(eq=False, slots=True)
class _Waiter:
    is_dear: bool
    granted: bool = False
    woken: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class AdmissionStats:
    """Counts since the start, but `busy`, `dear_busy` and `waiting`, which are of now."""

    busy: int
    dear_busy: int
    waiting: int
    waits: int
    wait_seconds: float
    refused: int


class Admission:
    """`size` slots, of which dear work holds at most `dear_slots`, and a queue in order of arrival.

    At most `queue_length` wait at once, dear ones in at most half of these places, and none longer than `queue_wait`
    seconds. `when_full` is called in the thread that waits, at first and again and again, while every slot is taken and
    another one would do.
    """

    def __init__(
        self,
        size: int,
        dear_slots: int,
        queue_length: int,
        queue_wait: float,
        when_full: Callable[[], None] = lambda: None,
    ) -> None:
        if not 1 <= dear_slots <= size:
            raise ValueError(f"dear_slots must be from 1 to {size}, and is {dear_slots}")
        if queue_length < 0 or queue_wait < 0:
            raise ValueError("queue_length and queue_wait must not be negative")
        self._size = size
        self._dear_slots = dear_slots
        self._queue_length = queue_length
        self._dear_queue_length = (queue_length + 1) // 2
        self._queue_wait = queue_wait
        self._when_full = when_full
        self._lock = threading.Lock()
        self._waiters: deque[_Waiter] = deque()
        self._is_closed = False
        self._busy = 0
        self._dear_busy = 0
        self._waits = 0
        self._wait_seconds = 0.0
        self._refused = 0

    def enter(self, *, is_dear: bool) -> None:
        """Take a slot, waiting for it if need be. Raises OverloadedError."""
        with self._lock:
            if not self._is_closed and self._has_slot(is_dear=is_dear):
                self._take(is_dear=is_dear)
                return
            if self._is_closed or not self._has_place(is_dear=is_dear):
                self._refuse()
            waiter = _Waiter(is_dear)
            self._waiters.append(waiter)
        began = time.monotonic()
        try:
            self._wait(waiter, began + self._queue_wait)
        except BaseException:
            self._withdraw(waiter)
            raise
        with self._lock:
            self._waits += 1
            self._wait_seconds += time.monotonic() - began
            if waiter.granted:
                return
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._refuse()

    def _wait(self, waiter: _Waiter, until: float) -> None:
        remaining = self._queue_wait
        while remaining > 0 and not waiter.woken.is_set():
            if self._busy >= self._size and (not waiter.is_dear or self._dear_busy < self._dear_slots):
                self._when_full()
            waiter.woken.wait(min(remaining, _AGAIN_SECONDS))
            remaining = until - time.monotonic()

    def _withdraw(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        if waiter.granted:
            self.leave(is_dear=waiter.is_dear)

    def leave(self, *, is_dear: bool) -> None:
        """Give a slot back; whoever waits longest and may have it gets it."""
        with self._lock:
            self._busy -= 1
            self._dear_busy -= is_dear
            for waiter in list(self._waiters):
                if self._busy >= self._size:
                    break
                if self._has_slot(is_dear=waiter.is_dear):
                    self._waiters.remove(waiter)
                    self._take(is_dear=waiter.is_dear)
                    waiter.granted = True
                    waiter.woken.set()

    def close(self) -> None:
        """Send away who waits and who comes."""
        with self._lock:
            self._is_closed = True
            for waiter in self._waiters:
                waiter.woken.set()
            self._waiters.clear()

    def stats(self) -> AdmissionStats:
        with self._lock:
            return AdmissionStats(
                self._busy,
                self._dear_busy,
                len(self._waiters),
                self._waits,
                self._wait_seconds,
                self._refused,
            )

    def _has_slot(self, *, is_dear: bool) -> bool:
        return self._busy < self._size and (not is_dear or self._dear_busy < self._dear_slots)

    def _has_place(self, *, is_dear: bool) -> bool:
        if is_dear and sum(w.is_dear for w in self._waiters) >= self._dear_queue_length:
            return False
        return len(self._waiters) < self._queue_length

    def _take(self, *, is_dear: bool) -> None:
        self._busy += 1
        self._dear_busy += is_dear

    def _refuse(self) -> None:
        self._refused += 1
        raise OverloadedError(
            "Too many images are being decoded at the moment; please try again shortly.",
            retry_after=1 + secrets.randbelow(_RETRY_AFTER_MOST),
        )
