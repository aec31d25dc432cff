"""What could not be fetched, remembered for seconds: a viewer's burst of requests costs one failing question."""

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000


class Failures:
    """Errors by name, each for half to one and a half of `ttl_seconds`, so that not all are asked again at once."""

    def __init__(self, ttl_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._errors: OrderedDict[str, tuple[float, Exception]] = OrderedDict()

    def find(self, name: str) -> Exception | None:
        with self._lock:
            until, error = self._errors.get(name, (0.0, None))
            if error is not None and self._clock() >= until:
                del self._errors[name]
                return None
            return error

    def note(self, name: str, error: Exception) -> None:
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        with self._lock:
            self._errors[name] = (self._clock() + self._ttl_seconds * jitter, error)
            if len(self._errors) > _MOST:
                self._errors.popitem(last=False)

    def forget(self, place: str) -> None:
        """All versions of one source: it has just been had."""
        with self._lock:
            for name in [name for name in self._errors if name.startswith(place)]:
                del self._errors[name]
