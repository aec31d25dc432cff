"""Fetching whole sources before anybody asks for their bytes, in the background of this process."""

import logging
import os
import threading
import time
from collections import OrderedDict, deque

from caching.once import Once
from caching.sources.caches import get_source_caches
from caching.sources.stats import SourceCounted
from images.sources.errors import SourceError
from images.sources.location import Location
from images.sources.registry import open_source
from images.sources.retrieval import is_retrieved, source_key

logger = logging.getLogger(__name__)

_THREADS = 2
_WAITING = 64
"""More are not begun: their images come when they are asked for."""
_REST_SECONDS = 60.0
"""After which a source is looked at again, should its copy be gone by then."""
_REMEMBERED = 4_096


class Prefetcher:
    """At most `threads` fetches at a time, each source once. `request` costs a look into a dictionary, mostly."""

    def __init__(self, threads: int = _THREADS, waiting: int = _WAITING) -> None:
        self._threads = threads
        self._waiting = waiting
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._queue: deque[tuple[Location, str]] = deque()
        self._running = 0
        self._requested: OrderedDict[tuple[Location, str], float] = OrderedDict()

    def request(self, location: Location, etag: str) -> bool:
        """Whether it is under way, or was a moment ago; False for what needs no fetching, and where too many wait."""
        if not is_retrieved(location):
            return False
        wanted, now = (location, etag), time.monotonic()
        with self._lock:
            if now < self._requested.get(wanted, 0.0):
                return True
            if len(self._queue) >= self._waiting:
                return False
            self._requested[wanted] = now + _REST_SECONDS
            if len(self._requested) > _REMEMBERED:
                self._requested.popitem(last=False)
            self._queue.append(wanted)
            if self._running < self._threads:
                self._running += 1
                threading.Thread(target=self._work, name="prefetch", daemon=True).start()
        return True

    def wait(self, timeout_seconds: float = 30.0) -> bool:
        """For all that was requested; whether it has ended."""
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout_seconds)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running -= 1
                    self._idle.notify_all()
                    return
                location, etag = self._queue.popleft()
            try:
                _fetch(location, etag)
            except Exception as error:  # noqa: BLE001 - it was only a wish, and the thread has others to fulfil
                level = logging.DEBUG if isinstance(error, SourceError) else logging.ERROR
                logger.log(level, "A source could not be fetched ahead: %r", error)


def _fetch(location: Location, etag: str) -> None:
    """To the disk or into memory, wherever its store wants it; a source to be streamed goes to the disk as well."""
    caches, key = get_source_caches(), source_key(location, etag)
    if caches.has(key):
        return
    caches.stats.count(key.store, SourceCounted.PREFETCHES)
    with open_source(location, etag) as reader:
        reader.fileno()


@Once
def get_prefetcher() -> Prefetcher:
    """That of this process."""
    return Prefetcher()


os.register_at_fork(after_in_child=get_prefetcher.cache_clear)
