"""What was asked for lately: by it one can tell what will be asked for next."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from images.decoders.metatiles import Grid, GridTile, Screen, Seen

_IMAGES = 2_000
_TILES = 256
"""Of one image: several screens, with what was made around them."""

_SECONDS = 10.0
"""After which a viewer has looked at something for so long that nobody knows where he turns."""

_SCREEN_SECONDS = 3.0
"""Without a request for it, after which a screen is full: the next tile is of another one."""

_BURST_SECONDS = 0.015
"""A viewer asks for several tiles at once, those around the middle of its screen. They come within some milliseconds,
in any order; the first that comes may lie a tile or two aside."""

_BURST_GAP_SECONDS = 0.005
"""After which no more of them is waited for."""


@dataclass(slots=True)
class _Filling:
    """A screen that is being filled: the tiles that came first, when they did, and when one was asked for last."""

    first: list[GridTile]
    began: float
    last: float
    screen: Screen


@dataclass(slots=True)
class _Visit:
    """What was asked for of an image: tiles, newest first, and by scale factor the screen that is being filled."""

    tiles: "deque[tuple[float, GridTile]]" = field(default_factory=lambda: deque(maxlen=_TILES))
    screens: dict[int, _Filling] = field(default_factory=dict)


class Demand:
    """The tiles of each image that had to be made lately. Thread-safe; a few KB an image."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._images: OrderedDict[str, _Visit] = OrderedDict()

    def note(self, subject: str, grid: Grid, tile: GridTile) -> Seen:
        """Remember that `tile` is asked for; what was seen of the image before, newest first."""
        now = self._clock()
        with self._lock:
            visit = self._images.setdefault(subject, _Visit())
            self._images.move_to_end(subject)
            if len(self._images) > _IMAGES:
                self._images.popitem(last=False)
            recent = tuple(other for when, other in visit.tiles if now - when <= _SECONDS)
            visit.tiles.appendleft((now, tile))
            screen = visit.screens.get(tile.step)
            if screen is None or now - screen.last > _SCREEN_SECONDS or not screen.screen.shows(tile):
                screen = visit.screens[tile.step] = _Filling([tile], now, now, grid.screen([tile]))
            elif now - screen.began <= _BURST_SECONDS:
                screen.first.append(tile)
                screen.screen = grid.screen(screen.first)
            screen.last = now
        return Seen(recent, screen.screen)

    def settled(self, subject: str, seen: Seen) -> Seen:
        """The same when a viewer's first tiles of the screen have come; waits for them, some milliseconds at most."""
        while True:
            with self._lock:
                visit = self._images.get(subject)
                filling = None if visit is None else visit.screens.get(seen.screen.step)
                if filling is None:
                    return seen
                until = min(filling.began + _BURST_SECONDS, filling.last + _BURST_GAP_SECONDS)
                screen = filling.screen
            remaining = until - self._clock()
            if remaining <= 0:
                return replace(seen, screen=screen)
            self._sleep(remaining)

    def add(self, subject: str, tiles: Iterable[GridTile]) -> None:
        """Remember what is made with a tile that was asked for: when they are asked for, nobody will tell."""
        now = self._clock()
        with self._lock:
            if (visit := self._images.get(subject)) is not None:
                visit.tiles.extendleft((now, tile) for tile in tiles)
