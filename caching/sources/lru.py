"""Bytes in the memory of a process, within a budget; the least recently used go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")

_OVERHEAD_BYTES = 400
"""Of an entry beside its bytes, nearly."""


class ByteLru(Generic[K]):
    """Thread-safe. What alone is larger than the budget is not kept; with a budget of 0 nothing is."""

    def __init__(self, byte_budget: int) -> None:
        self._budget = byte_budget
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, bytes] = OrderedDict()
        self._bytes = 0

    @property
    def byte_size(self) -> int:
        return self._bytes

    def find(self, key: K) -> bytes | None:
        with self._lock:
            data = self._entries.get(key)
            if data is not None:
                self._entries.move_to_end(key)
            return data

    def put(self, key: K, data: bytes) -> bool:
        """Whether it is kept."""
        with self._lock:
            self._remove(key)
            if len(data) + _OVERHEAD_BYTES > self._budget:
                return False
            self._entries[key] = data
            self._bytes += len(data) + _OVERHEAD_BYTES
            while self._bytes > self._budget:
                self._remove(next(iter(self._entries)))
            return True

    def discard(self, is_meant: Callable[[K], bool]) -> None:
        with self._lock:
            for key in [key for key in self._entries if is_meant(key)]:
                self._remove(key)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _remove(self, key: K) -> None:
        data = self._entries.pop(key, None)
        if data is not None:
            self._bytes -= len(data) + _OVERHEAD_BYTES
