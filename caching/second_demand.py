"""What hardly anybody asks for twice is kept only when somebody does.

Anybody can ask for any region in any size: 100,000 requests need not leave 100,000 files. Which derivatives are meant,
the caller knows.
"""

import logging
import threading
import time
from collections.abc import Callable

from caching.errors import CacheError
from caching.keys import DerivativeKey
from caching.shared import SharedServer

logger = logging.getLogger(__name__)

_BITS = 21
"""Of a position: two million of them, 256 KiB, for 200,000 names with one in 100 taken for another."""
_POSITIONS = 4


class SeenFilter:
    """Which names were seen lately: for `window_seconds` at least, for twice as long at most.

    A Bloom filter (1970) in two generations. It may say that it has seen what it has not, never the other way round.
    """

    def __init__(self, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_seconds = window_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._current, self._previous = bytearray(1 << _BITS - 3), bytearray(1 << _BITS - 3)
        self._began = clock()

    def note(self, digest: str) -> bool:
        """Whether the name was seen before. `digest`: 64 hexadecimal digits."""
        positions = _positions(digest)
        with self._lock:
            self._turn()
            is_seen = _holds(self._current, positions) or _holds(self._previous, positions)
            for position in positions:
                self._current[position >> 3] |= 1 << (position & 7)
            return is_seen

    def _turn(self) -> None:
        generations = int((self._clock() - self._began) / self._window_seconds)
        if generations:
            self._previous = self._current if generations == 1 else bytearray(len(self._current))
            self._current = bytearray(len(self._previous))
            self._began += generations * self._window_seconds


class SecondDemand:
    """Tells the second demand within `window_seconds` from the first; with 0 every one counts as the second.

    A process knows what came to it, and with Redis what came to any. Raises nothing.
    """

    def __init__(
        self, window_seconds: float, server: SharedServer | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_seconds = window_seconds
        self._server = server
        self._seen = SeenFilter(window_seconds, clock) if window_seconds > 0 else None

    def is_second(self, key: DerivativeKey) -> bool:
        """Note that the derivative is asked for, and whether it was before."""
        return self.is_second_here(key) or self._was_elsewhere(key.digest)

    def is_second_here(self, key: DerivativeKey) -> bool:
        """The same as far as this process knows."""
        return self._seen is None or self._seen.note(key.digest)

    def _was_elsewhere(self, digest: str) -> bool:
        server = self._server
        if server is None:
            return False
        name, life = f"{server.namespace}:asked:{digest[:32]}", max(1, int(self._window_seconds))
        try:
            return not server.call(lambda redis: redis.set(name, b"", nx=True, ex=life))
        except CacheError as error:
            logger.debug("what others were asked for is not known: %s", error.detail)
            return False


def _positions(digest: str) -> list[int]:
    number = int(digest[: 2 * 11], 16)
    return [number >> (_BITS * at) & (1 << _BITS) - 1 for at in range(_POSITIONS)]


def _holds(bits: bytearray, positions: list[int]) -> bool:
    return all(bits[position >> 3] >> (position & 7) & 1 for position in positions)
