"""Lines of a log that would come by hundreds a second, said now and then."""

import threading
import time
from collections.abc import Callable

_SUBJECTS = 256


class Sparing:
    """Lets a line about a subject through once in `every_seconds`. Thread-safe."""

    def __init__(self, every_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_seconds = every_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}

    def admits(self, subject: str) -> tuple[bool, int]:
        """Whether the line is to be said, and then how many were not since the last one."""
        now = self._clock()
        with self._lock:
            last, unsaid = self._said.get(subject, (float("-inf"), 0))
            if now - last < self._every_seconds:
                self._said[subject] = (last, unsaid + 1)
                return False, unsaid + 1
            if len(self._said) >= _SUBJECTS:
                self._said.clear()
            self._said[subject] = (now, 0)
            return True, unsaid
