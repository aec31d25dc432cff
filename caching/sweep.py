"""Sweeping in the background of a process that has just been refused room, or soon will be."""

import logging
import threading
import time
from collections.abc import Callable

from caching.errors import CacheError

logger = logging.getLogger(__name__)


class SweepTrigger:
    """Runs `sweep` in a thread: one at a time, and not again within `pause_seconds` of the last end.

    The beat's sweep comes on its own; this one is for caches that fill faster than it ticks.
    """

    def __init__(self, sweep: Callable[[], object], pause_seconds: float = 5.0) -> None:
        self._sweep = sweep
        self._pause_seconds = pause_seconds
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        self._rest_until = float("-inf")

    def request(self) -> None:
        """Start a sweep unless one is running or has just ended."""
        with self._mutex:
            if self._thread is not None and self._thread.is_alive():
                return
            if time.monotonic() < self._rest_until:
                return
            self._thread = threading.Thread(target=self._run, name="cache-sweep", daemon=True)
            self._thread.start()

    def join(self, timeout_seconds: float) -> None:
        """Wait for a sweep that is running."""
        with self._mutex:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._sweep()
        except CacheError as error:
            logger.warning("the cache could not be swept: %s", error.detail)
        finally:
            self._rest_until = time.monotonic() + self._pause_seconds
