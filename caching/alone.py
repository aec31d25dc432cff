"""Work that one process does and others leave to it, while threads of one process may do it together."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from caching.locks import Locks

_AT_ONCE_SECONDS = 0.01


class Turn(NamedTuple):
    """`is_ours`: no other process has the lock; `waited`: one had it before."""

    is_ours: bool
    waited: bool


class Alone:
    """What this process works on. A lock is given back when the last thread that works on the same is done."""

    def __init__(self, locks: Locks | None) -> None:
        self._locks = locks
        self._mutex = threading.Lock()
        self._threads: dict[str, int] = {}

    @contextmanager
    def working(self, digest: str, patience_seconds: float) -> Iterator[Turn]:
        """Let no other process do the same work meanwhile; after `patience_seconds`, go on all the same.

        Another thread of this process is nobody to wait for.
        """
        if self._locks is None:
            yield Turn(is_ours=True, waited=False)
            return
        turn = self._join(digest) or self._begin(self._locks, digest, patience_seconds)
        try:
            yield turn
        finally:
            if turn.is_ours:
                self._leave(self._locks, digest)

    def _join(self, digest: str) -> Turn | None:
        with self._mutex:
            if digest not in self._threads:
                return None
            self._threads[digest] += 1
        return Turn(is_ours=True, waited=False)

    def _begin(self, locks: Locks, digest: str, patience_seconds: float) -> Turn:
        began = time.monotonic()
        is_ours = locks.acquire(digest, patience_seconds)
        if is_ours:
            with self._mutex:  # two threads that began at once both have it
                self._threads[digest] = self._threads.get(digest, 0) + 1
        return Turn(is_ours, time.monotonic() - began > _AT_ONCE_SECONDS)

    def _leave(self, locks: Locks, digest: str) -> None:
        with self._mutex:
            self._threads[digest] -= 1
            if self._threads[digest]:
                return
            del self._threads[digest]
            locks.release(digest)
