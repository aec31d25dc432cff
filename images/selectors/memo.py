"""What this process remembers of records, how long it may trust that, and what it does when others changed them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_ENTRIES = 4096
"""A few KB each; also how many images a process goes on serving while the database is down."""
_NEVER = float("-inf")


class RecordMemo(Generic[T]):
    """By identifier: what was read and when, and which identifiers there are not. Thread-safe.

    What is too old to be trusted stays, for the time that the database is down. What was read while somebody changed
    something is kept, but not trusted: take `moment()` before the query and hand it to `put`.
    """

    def __init__(self, is_same: Callable[[T, T], bool]) -> None:
        self._is_same = is_same
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._changes = 0

    def get(self, identifier: str, max_age_seconds: float) -> T | None:
        with self._lock:
            entry = self._entries.get(identifier)
        if entry is None or time.monotonic() - entry[0] > max_age_seconds:
            return None
        return entry[1]

    def get_stale(self, identifier: str) -> T | None:
        """However old it is."""
        with self._lock:
            entry = self._entries.get(identifier)
        return None if entry is None else entry[1]

    def is_unknown(self, identifier: str, max_age_seconds: float) -> bool:
        """Whether there was no such record a moment ago."""
        with self._lock:
            when = self._unknown.get(identifier, _NEVER)
        return time.monotonic() - when < max_age_seconds

    def moment(self) -> int:
        """Changes with every change that this process hears of."""
        return self._changes

    def put(self, identifier: str, value: T, moment: int | None = None) -> T:
        """Remember what was just read; what it is the same as stays, so that others can hold on to it."""
        with self._lock:
            _, known = self._entries.get(identifier, (_NEVER, None))
            if known is not None and self._is_same(known, value):
                value = known
            is_current = moment is None or moment == self._changes
            self._entries[identifier] = (time.monotonic() if is_current else _NEVER, value)
            self._entries.move_to_end(identifier)
            self._unknown.pop(identifier, None)
            if len(self._entries) > _ENTRIES:
                self._entries.popitem(last=False)
            return value

    def put_unknown(self, identifier: str, moment: int) -> None:
        with self._lock:
            self._entries.pop(identifier, None)
            if moment == self._changes:
                self._unknown[identifier] = time.monotonic()
                self._unknown.move_to_end(identifier)
            if len(self._unknown) > _ENTRIES:
                self._unknown.popitem(last=False)

    def discard(self, identifier: str) -> None:
        with self._lock:
            self._changes += 1
            self._entries.pop(identifier, None)
            self._unknown.pop(identifier, None)

    def expire(self) -> None:
        """Trust nothing any more."""
        with self._lock:
            self._changes += 1
            for identifier, (_, value) in self._entries.items():
                self._entries[identifier] = (_NEVER, value)
            self._unknown.clear()

    def clear(self, **_kwargs: object) -> None:
        with self._lock:
            self._changes += 1
            self._entries.clear()
            self._unknown.clear()
