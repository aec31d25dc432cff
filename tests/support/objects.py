"""The objects that the origin serves, what it noted of each request, and how many rounds requests took."""

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate


@dataclass(frozen=True)
class StoredObject:
    """One version of an object; `etag` in quotes, as it stands in the header."""

    body: bytes
    etag: str
    content_type: str = "application/octet-stream"
    modified: float = field(default_factory=time.time)

    @classmethod
    def of(cls, body: bytes, content_type: str = "application/octet-stream") -> "StoredObject":
        return cls(body, f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"', content_type)

    def headers(self) -> dict[str, str]:
        return {
            "ETag": self.etag,
            "Last-Modified": formatdate(self.modified, usegmt=True),
            "Content-Type": self.content_type,
            "Accept-Ranges": "bytes",
        }


@dataclass
class Visit:
    """One request as the origin saw it; times are monotonic seconds, `sent` counts bytes of bodies."""

    method: str
    key: str
    headers: dict[str, str]
    byte_range: tuple[int, int] | None = None  # start and stop, as asked for
    status: int = 0
    sent: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None  # None while it lasts


def rounds(visits: Iterable[Visit]) -> int:
    """The longest chain of requests of which each began after the one before it had ended.

    Requests that are under way at one time share a round, so that a latency of L costs at least rounds × L.
    """
    count, free = 0, float("-inf")
    for visit in sorted(visits, key=lambda one: one.ended if one.ended is not None else float("inf")):
        if visit.began >= free:
            count += 1
            free = visit.ended if visit.ended is not None else float("inf")
    return count


class Log:
    """What came, in the order of arrival."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []
        self._lock = threading.Lock()
        self._running = 0
        self.busiest = 0  # the most requests at one time since the last `clear`

    def begin(self, visit: Visit) -> None:
        with self._lock:
            self._visits.append(visit)
            self._running += 1
            self.busiest = max(self.busiest, self._running)

    def end(self, visit: Visit) -> None:
        with self._lock:
            visit.ended = time.monotonic()
            self._running -= 1

    def clear(self) -> None:
        with self._lock:
            self._visits = []
            self.busiest = self._running

    def visits(self, key: str = "", method: str = "") -> list[Visit]:
        """All requests since the last `clear`, or those of one key (bucket/key) or one method."""
        with self._lock:
            return [v for v in self._visits if (not key or v.key == key) and (not method or v.method == method)]

    def count(self, key: str = "", method: str = "") -> int:
        return len(self.visits(key, method))

    def sent(self, key: str = "") -> int:
        return sum(visit.sent for visit in self.visits(key))

    def ranges(self, key: str = "") -> list[tuple[int, int]]:
        return [visit.byte_range for visit in self.visits(key) if visit.byte_range is not None]

    def rounds(self, key: str = "") -> int:
        return rounds(self.visits(key))

    @property
    def running(self) -> int:
        return self._running
