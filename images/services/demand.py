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

_SCREENS = 16
"""Of one image: of several viewers, each with some levels."""


@dataclass(eq=False, slots=True)
class _Filling:
    """A screen that is being filled: the tiles that came first, when they did, and when one was asked for last."""

    first: list[GridTile]
    began: float
    last: float
    screen: Screen

    @property
    def settles_at(self) -> float:
        """When no more of the first tiles is waited for."""
        return min(self.began + _BURST_SECONDS, self.last + _BURST_GAP_SECONDS)


@dataclass(slots=True)
class _Visit:
    """What was asked for of an image: tiles, and the screens that are being filled; newest first."""

    tiles: "deque[tuple[float, GridTile]]" = field(default_factory=lambda: deque(maxlen=_TILES))
    screens: list[_Filling] = field(default_factory=list)

    def find(self, tile: GridTile) -> _Filling | None:
        """The screen that shows `tile`, of several the one of which a tile was asked for last."""
        return next((filling for filling in self.screens if filling.screen.shows(tile)), None)

    def fill(self, grid: Grid, tile: GridTile, now: float) -> _Filling:
        """The screen that `tile` is asked for: one that is being filled, or another one, which begins with it."""
        filling = self.find(tile)
        if filling is None or now - filling.last > _SCREEN_SECONDS:
            filling = _Filling([tile], now, now, grid.screen([tile]))
        elif now <= filling.settles_at:
            filling.first.append(tile)
            filling.screen = grid.screen(filling.first)
        filling.last = now
        self.screens = [filling, *(other for other in self.screens if other is not filling)][:_SCREENS]
        return filling


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
            screen = visit.fill(grid, tile, now).screen
        return Seen(recent, screen)

    def settled(self, subject: str, tile: GridTile, seen: Seen) -> Seen:
        """What was seen when `tile` was asked for, with the screen as it is when its first tiles have come.

        Waits for them, `_BURST_SECONDS` at most.
        """
        latest = self._clock() + _BURST_SECONDS
        while (filling := self._find(subject, tile)) is not None:
            remaining = min(latest, filling.settles_at) - self._clock()
            if remaining <= 0:
                return replace(seen, screen=filling.screen)
            self._sleep(remaining)
        return seen

    def has_moved_on(self, subject: str, made: GridTile, asked: GridTile) -> bool:
        """Whether whoever fills the screen with `asked` may be the one who filled that with `made`, and has left it.

        So it is not if a tile of the old screen was asked for since the new one began.
        """
        old, new = self._find(subject, made), self._find(subject, asked)
        return old is not None and new is not None and old.last < new.began

    def _find(self, subject: str, tile: GridTile) -> _Filling | None:
        with self._lock:
            visit = self._images.get(subject)
            return None if visit is None else visit.find(tile)

    def add(self, subject: str, tiles: Iterable[GridTile]) -> None:
        """Remember what is made with a tile that was asked for: when they are asked for, nobody will tell."""
        now = self._clock()
        with self._lock:
            if (visit := self._images.get(subject)) is not None:
                visit.tiles.extendleft((now, tile) for tile in tiles)
