"""Counters of one process; cheap enough for every request."""

import threading
from enum import StrEnum


class Counted(StrEnum):
    """What is counted. *_BYTES are sums of body lengths, the rest are events."""

    HITS = "hits"
    HIT_BYTES = "hit_bytes"
    MISSES = "misses"
    WAITS = "waits"
    WAIT_TIMEOUTS = "wait_timeouts"
    STORED = "stored"
    STORED_BYTES = "stored_bytes"
    BYPASSED = "bypassed"
    REFUSED = "refused"
    ABORTED = "aborted"
    CORRUPT = "corrupt"
    ERRORS = "errors"
    EVICTIONS = "evictions"
    EVICTED_BYTES = "evicted_bytes"
    SWEEPS = "sweeps"


class CacheStats:
    """Counts since the process began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(Counted, 0)

    def count(self, what: Counted, amount: int = 1) -> None:
        with self._lock:
            self._counts[what] += amount

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return {str(name): amount for name, amount in self._counts.items()}
