"""What a cache counts of itself; cheap enough for every request."""

from enum import StrEnum

from caching.counters import Counters, Tally


class Counted(StrEnum):
    """What is counted. *_BYTES are sums of body lengths, the rest are events. Memory hits are hits too."""

    HITS = "hits"
    HIT_BYTES = "hit_bytes"
    MEMORY_HITS = "memory_hits"
    MISSES = "misses"
    WAITS = "waits"
    WAIT_TIMEOUTS = "wait_timeouts"
    STORED = "stored"
    STORED_BYTES = "stored_bytes"
    BYPASSED = "bypassed"
    WITHHELD = "withheld"
    REFUSED = "refused"
    ABORTED = "aborted"
    CORRUPT = "corrupt"
    ERRORS = "errors"
    EVICTIONS = "evictions"
    EVICTED_BYTES = "evicted_bytes"
    SWEEPS = "sweeps"


class CacheStats:
    """Counts since this was made, of one cache or, with labels, of a part of it such as a tier.

    With `counters` they are added up over all processes, as `name`_hits and the like.
    """

    def __init__(self, counters: Counters | None = None, name: str = "iiif_derivative_cache", **labels: str) -> None:
        self._tally = Tally(counters, name, tuple(Counted), **labels)
        self._words, self._lock = self._tally.counters.words, self._tally.counters.lock
        hits = (Counted.HITS, Counted.HIT_BYTES, Counted.MEMORY_HITS)
        self._hits, self._hit_bytes, self._memory_hits = (self._tally.cells[what].index for what in hits)

    def count(self, what: Counted, amount: int = 1) -> None:
        self._tally.count(what, amount)

    def count_hit(self, byte_size: int, *, from_memory: bool = False) -> None:
        """All at once: this is on the way of the fastest answers."""
        words = self._words
        with self._lock:
            words[self._hits] += 1
            words[self._hit_bytes] += byte_size
            if from_memory:
                words[self._memory_hits] += 1

    def snapshot(self) -> dict[str, int]:
        return {str(what): amount for what, amount in self._tally.snapshot().items()}
