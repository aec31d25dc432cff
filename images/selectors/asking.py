"""Questions to the database that tiles hang on: where it does not answer, others are not kept waiting for it, too."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import InternalError, OperationalError

from caching.breaker import Breaker

T = TypeVar("T")

_breaker = Breaker(failures=1, rest_seconds=1.0)


def ask(question: Callable[[], T]) -> T:
    """The answer; while the database has just failed to give one, only one thread a second asks.

    Raises what the question raises; OperationalError at once for those who would only wait.
    """
    if not _breaker.allows():
        raise OperationalError("The database did not answer a moment ago.")
    try:
        answer = question()
    except (OperationalError, InternalError):
        _breaker.note_failure()
        raise
    except Exception:
        _breaker.note_success()  # whatever was wrong with the question
        raise
    _breaker.note_success()
    return answer


def expect_answers() -> None:
    """Ask again whatever happened before."""
    _breaker.note_success()


class Turns:
    """Of the threads that want to know the same, one asks, and the others find in memory what it was told. Thread-safe.

    They spare work and guard nothing: who has waited as long as it may goes on without its turn, and nobody waits
    while the database does not answer.
    """

    def __init__(self, patience_seconds: float = 0.5) -> None:
        self._patience_seconds = patience_seconds
        self._mutex = threading.Lock()
        self._wanted: dict[Hashable, tuple[threading.Lock, int]] = {}

    @contextmanager
    def turn(self, key: Hashable) -> Iterator[None]:
        """Look into memory again before asking: somebody may have been told meanwhile."""
        with self._mutex:
            lock, users = self._wanted.get(key) or (threading.Lock(), 0)
            self._wanted[key] = lock, users + 1
        is_held = False
        try:
            is_held = lock.acquire(timeout=0.0 if _breaker.is_open else self._patience_seconds)
            yield
        finally:
            if is_held:
                lock.release()
            self._leave(key)

    def _leave(self, key: Hashable) -> None:
        with self._mutex:
            lock, users = self._wanted.pop(key)
            if users > 1:
                self._wanted[key] = lock, users - 1
