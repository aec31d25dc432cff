"""What was asked for lately: by it one can tell what will be asked for next."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from images.decoders.metatiles import Grid, GridTile, Seen, is_on_screen

_IMAGES = 2_000
_TILES = 256
"""Of one image: several screens, with what was made around them."""

_SECONDS = 10.0
"""After which a viewer has looked at something for so long that nobody knows where he turns."""

_SCREEN_SECONDS = 3.0
"""Without a request for it, after which a screen is full: the next tile is of another one."""


@dataclass(slots=True)
class _Visit:
    """What was asked for of an image: tiles, newest first, and by scale factor the first tile of the screen and when
    one of it was asked for last.
    """

    tiles: "deque[tuple[float, GridTile]]" = field(default_factory=lambda: deque(maxlen=_TILES))
    middles: dict[int, tuple[float, GridTile]] = field(default_factory=dict)


class Demand:
    """The tiles of each image that had to be made lately. Thread-safe; a few KB an image."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
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
            when, middle = visit.middles.get(tile.step, (now, tile))
            if now - when > _SCREEN_SECONDS or not is_on_screen(grid, tile, middle):
                middle = tile
            visit.middles[tile.step] = (now, middle)
        return Seen(recent, middle)

    def add(self, subject: str, tiles: Iterable[GridTile]) -> None:
        """Remember what is made with a tile that was asked for: when they are asked for, nobody will tell."""
        now = self._clock()
        with self._lock:
            if (visit := self._images.get(subject)) is not None:
                visit.tiles.extendleft((now, tile) for tile in tiles)
