"""Counters of what was read of sources, by the name of their store."""

import threading
from enum import StrEnum

from caching.counters import Counters, Tally


class SourceCounted(StrEnum):
    """What is counted. *_BYTES are sums of lengths, the rest are events.

    ORIGIN_REQUESTS: ranges asked of a store. BLOCK_HITS and BLOCK_MISSES: reads, by whether all of it was kept.
    OBJECT_HITS: sources opened as a whole local copy. FILLS: such copies made; RESUMES of a fill that had broken off.
    BYPASSED: what was served without being kept, since there was no room or the disk refused.
    """

    ORIGIN_REQUESTS = "origin_requests"
    ORIGIN_BYTES = "origin_bytes"
    ORIGIN_ERRORS = "origin_errors"
    BLOCK_HITS = "block_hits"
    BLOCK_MISSES = "block_misses"
    BLOCK_HIT_BYTES = "block_hit_bytes"
    OBJECT_HITS = "object_hits"
    MEMORY_HITS = "memory_hits"
    FILLS = "fills"
    FILL_BYTES = "fill_bytes"
    FILL_ERRORS = "fill_errors"
    RESUMES = "resumes"
    PREFETCHES = "prefetches"
    WAITS = "waits"
    WAIT_TIMEOUTS = "wait_timeouts"
    NEGATIVE_HITS = "negative_hits"
    BYPASSED = "bypassed"
    CORRUPT = "corrupt"


class SourceStats:
    """Counts since this was made, by the name of the store. With `counters` they are added up over all processes, as
    `iiif_sources`_hits and the like with the label `store`. Thread-safe.
    """

    def __init__(self, counters: Counters | None = None) -> None:
        self._counters = counters or Counters()
        self._lock = threading.Lock()
        self._tallies: dict[str, Tally] = {}

    def count(self, store: str, what: SourceCounted, amount: int = 1) -> None:
        self._tally(store).count(what, amount)

    def snapshot(self) -> dict[str, dict[str, int]]:
        """By store, every counter by name."""
        with self._lock:
            tallies = list(self._tallies.items())
        return {store: {str(what): amount for what, amount in tally.snapshot().items()} for store, tally in tallies}

    def _tally(self, store: str) -> Tally:
        with self._lock:
            if store not in self._tallies:
                self._tallies[store] = Tally(self._counters, "iiif_sources", tuple(SourceCounted), store=store)
            return self._tallies[store]
