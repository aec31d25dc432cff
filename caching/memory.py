"""What was read lately, in the memory of this process: a hit costs no system call.

Entries come here when they are read from the backend, verified, so only what is asked for a second time takes room; or
when they were made with another one so quickly that they are kept nowhere else. They leave when the room is needed or
when they are old: then the backend is asked again, which so learns that they are still in use. What another process
purges is forgotten here at that age too. Until then it is only memory that is not freed yet: keys name versions, so
nothing in here is ever the wrong answer.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from caching.keys import DerivativeKey

AGE_SECONDS = 60.0
"""Within the grace of the backend: what is used from here only is not evicted there in the meantime."""

ENTRY_BYTES = 256 * 1024
"""Longer bodies are no tiles, and seldom asked for twice."""

_OVERHEAD_BYTES = 1_000
"""Of an entry beside its body, nearly."""


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """A whole verified body; `read` is when it was, by the clock of the memory."""

    content_type: str
    body: bytes
    read: float


class Memory:
    """The bodies used last, within `byte_budget` bytes; with 0 nothing is kept. Thread-safe."""

    def __init__(self, byte_budget: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._byte_budget = byte_budget
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[DerivativeKey, MemoryEntry] = OrderedDict()
        self._bytes = 0

    @property
    def byte_size(self) -> int:
        return self._bytes

    def find(self, key: DerivativeKey) -> MemoryEntry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if self._clock() - entry.read <= AGE_SECONDS:
                self._entries.move_to_end(key)
                return entry
            self._remove(key)
            return None

    def takes(self, byte_size: int) -> bool:
        """Whether a body of this length would be kept."""
        return byte_size <= min(ENTRY_BYTES, self._byte_budget - _OVERHEAD_BYTES)

    def put(self, key: DerivativeKey, content_type: str, body: bytes) -> None:
        """Keep a body that `takes` its length."""
        with self._lock:
            self._remove(key)
            self._entries[key] = MemoryEntry(content_type, body, self._clock())
            self._bytes += len(body) + _OVERHEAD_BYTES
            while self._bytes > self._byte_budget:
                self._remove(next(iter(self._entries)))

    def discard(self, image: str | None = None, before_version: int | None = None) -> None:
        """Forget the entries of an image, or of all; only those of older versions where one is given."""
        with self._lock:
            for key in list(self._entries):
                is_of_image = image is None or key.image == image
                if is_of_image and (before_version is None or key.version < before_version):
                    self._remove(key)

    def _remove(self, key: DerivativeKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.body) + _OVERHEAD_BYTES
