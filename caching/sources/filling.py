"""Fetching a whole source, round by round, from where an earlier try has ended."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from caching.sources.extents import Extent
from caching.sources.keys import SourceKey
from caching.sources.partial import Partial
from caching.sources.stats import SourceCounted, SourceStats

PIECE_BYTES = 4 * 2**20
"""Of one request: long enough that its round trip does not count."""
PIECES = 4
"""Fetched at a time; so a fill takes 16 MiB of memory."""
HEAD_BYTES = 512
"""Looked at before anything is kept."""
_ATTEMPTS = 4
_PAUSE_SECONDS = 0.2


class Fill:
    """One fill as others see it. `position`: bytes so far. `error`: why there is no source, once it is over."""

    def __init__(self, key: SourceKey, byte_size: int) -> None:
        self.key = key
        self.byte_size = byte_size
        self.position = 0
        self.error: Exception | None = None
        self.over = threading.Event()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source comes from. `fetch` brings the bytes of extents, all of one version. `is_sound` is asked about the
    first bytes: what it refuses is not kept. `may_retry`: whether an error of `fetch` may pass by itself.
    `close` is called in the end.
    """

    fetch: Callable[[list[Extent]], Sequence[bytes]]
    is_sound: Callable[[bytes], bool] = bool
    may_retry: Callable[[Exception], bool] = lambda _error: False
    close: Callable[[], None] = lambda: None

    def fill(self, fill: Fill, partial: Partial, stats: SourceStats) -> bool:
        """Write what is missing; False where the first bytes are not sound.

        Raises what `fetch` raises; what has come stays for the next try.
        """
        failures = 0
        fill.position = partial.position
        while partial.position < fill.byte_size:
            extents = _round(partial.position, fill.byte_size)
            try:
                bodies = self._fetched(extents, fill.key.store, stats)
            except Exception as error:
                stats.count(fill.key.store, SourceCounted.ORIGIN_ERRORS)
                failures += 1
                if failures >= _ATTEMPTS or not self.may_retry(error):
                    raise
                time.sleep(_PAUSE_SECONDS * 2**failures * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                continue
            failures = 0
            if partial.position == 0 and not self.is_sound(bodies[0][:HEAD_BYTES]):
                return False
            for body in bodies:
                partial.write(body)
                fill.position = partial.position
            stats.count(fill.key.store, SourceCounted.FILL_BYTES, sum(len(body) for body in bodies))
        return True

    def _fetched(self, extents: list[Extent], store: str, stats: SourceStats) -> Sequence[bytes]:
        stats.count(store, SourceCounted.ORIGIN_REQUESTS, len(extents))
        bodies = self.fetch(extents)
        stats.count(store, SourceCounted.ORIGIN_BYTES, sum(len(body) for body in bodies))
        for (start, stop), body in zip(extents, bodies, strict=True):
            if len(body) != stop - start:
                raise ValueError(f"{len(body)} bytes were fetched for the extent {start} to {stop}")
        return bodies


def _round(position: int, byte_size: int) -> list[Extent]:
    stop = min(byte_size, position + PIECES * PIECE_BYTES)
    return [(start, min(start + PIECE_BYTES, stop)) for start in range(position, stop, PIECE_BYTES)]
