"""Parts of images that processes leave to each other, and that threads of one process hold together."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from caching.derivatives import DerivativeCache
from caching.locks import Turn


@dataclass(slots=True)
class _Held:
    count: int = 1
    locks: ExitStack = field(default_factory=ExitStack)


class Cells:
    """Which cells this process works on. Their locks are given back when the last thread that works on them is done."""

    def __init__(self, cache: DerivativeCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    @contextmanager
    def working_on(self, digest: str, patience_seconds: float) -> Iterator[Turn]:
        """As `DerivativeCache.working_alone`, but another thread of this process is nobody to wait for."""
        turn = self._join(digest) or self._begin(digest, patience_seconds)
        try:
            yield turn
        finally:
            if turn.is_ours:
                self._leave(digest)

    def _join(self, digest: str) -> Turn | None:
        with self._lock:
            held = self._held.get(digest)
            if held is None:
                return None
            held.count += 1
        return Turn(is_ours=True, waited=False)

    def _begin(self, digest: str, patience_seconds: float) -> Turn:
        with ExitStack() as locks:
            turn = locks.enter_context(self._cache.working_alone(digest, patience_seconds))
            if turn.is_ours:
                with self._lock:
                    held = self._held.setdefault(digest, _Held(0))
                    held.count += 1
                    held.locks.push(locks.pop_all())  # where two threads began at once, both locks go at the end
        return turn

    def _leave(self, digest: str) -> None:
        with self._lock:
            held = self._held[digest]
            held.count -= 1
            if held.count:
                return
            del self._held[digest]
        held.locks.close()
