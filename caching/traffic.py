"""What requests came to: how many, how long, how many bytes, by outcome; and which images they were for."""

import json
import logging
import os
import time
from bisect import bisect_left
from enum import StrEnum
from functools import lru_cache

from caching.counters import SECONDS, Counters, get_counters
from caching.heavy import Heavy, HeavyName

logger = logging.getLogger(__name__)

_PUBLISHED_EVERY_SECONDS = 5.0
_PUBLISHED_NAMES = 256


class Answered(StrEnum):
    """How a request was answered.

    HIT: kept before. PASS_THROUGH: a stored tile as it is. MISS, BYPASSED: made, and kept or not. WAITED: made by
    another. INFORMATION: info.json. REFUSED and FAILED: 4xx and 5xx.
    """

    HIT = "hit"
    PASS_THROUGH = "pass_through"  # noqa: S105
    NOT_MODIFIED = "not_modified"
    MISS = "miss"
    WAITED = "waited"
    BYPASSED = "bypassed"
    INFORMATION = "information"
    REDIRECTED = "redirected"
    REFUSED = "refused"
    FAILED = "failed"
    OTHER = "other"


class Traffic:
    """Counts requests under `iiif_requests`, labelled by outcome. Thread-safe."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._words, self._lock = counters.words, counters.lock
        self._images = Heavy(_PUBLISHED_NAMES)
        self._publish_at = time.monotonic() + _PUBLISHED_EVERY_SECONDS
        self._cells = {answered.value: self._cells_of(answered) for answered in Answered}

    def _cells_of(self, answered: Answered) -> tuple[tuple[int, ...], int, int]:
        seconds = self._counters.histogram("iiif_request_seconds", outcome=answered)
        sent = self._counters.counter("iiif_request_bytes", outcome=answered)
        return seconds.buckets, seconds.microseconds, sent.index

    def note(self, answered: str, seconds: float, byte_size: int = 0, image: str | None = None) -> None:
        """Count one request; `seconds` until its answer began to leave, `byte_size` of the body where it is known."""
        buckets, microseconds, sent = self._cells[answered]
        bucket, words = buckets[bisect_left(SECONDS, seconds)], self._words
        with self._lock:
            words[bucket] += 1
            words[microseconds] += int(seconds * 1_000_000)
            words[sent] += byte_size
            if image is not None:
                self._images.note(image, byte_size)
        if time.monotonic() > self._publish_at:
            self.publish()

    def publish(self) -> None:
        """Let other processes see which images were asked for most; done by itself every few seconds."""
        self._publish_at = time.monotonic() + _PUBLISHED_EVERY_SECONDS
        path = self._counters.beside(".top")
        if path is None:
            return
        with self._lock:
            rows = self._images.top()
        try:
            candidate = path.with_suffix(".top-new")
            candidate.write_text(json.dumps([(row.name, row.requests, row.byte_size, row.missed) for row in rows]))
            candidate.replace(path)
        except OSError as error:
            logger.warning("Which images are asked for most cannot be told to others: %s", error)


def parse_table(text: str) -> list[HeavyName]:
    """What `publish` wrote; nothing where it is damaged."""
    try:
        return [HeavyName(str(name), int(a), int(b), int(c)) for name, a, b, c in json.loads(text)]
    except (ValueError, TypeError):
        return []


@lru_cache(maxsize=1)
def get_traffic() -> Traffic:
    """That of this process."""
    return Traffic(get_counters())


os.register_at_fork(after_in_child=get_traffic.cache_clear)
