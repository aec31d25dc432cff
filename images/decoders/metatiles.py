"""Metatiles: squares of tiles that are decoded together, and when that pays. Pure.

A tile that is decoded alone costs two to six times its share of a larger region, since the filters reach over its
borders into code-blocks of its neighbours, or since the source can only be read from the top. So a tile whose
neighbours will be asked for is decoded together with them. What will be asked for is told by what has been asked for:
a viewer asks for tiles that lie side by side, and for those below a tile when it comes closer.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from images.iiif.geometry import Region, Size

_SCREEN = Size(2048, 1536)
"""Pixels of a level that a viewer shows: of 1200 × 800 on a screen up to twice as many a side, most often 1.4 times."""

_CELL_METATILES = 4
"""Across, of what processes leave to each other of halves of screens: wider than a screen."""

_WHOLE_PIXELS = 1024 * 1024
"""Of a screen that is not halved: two halves of it would be mostly border."""

_NEIGHBOURS = 2
"""One may be chance where tiles of all levels are asked for at random."""


@dataclass(frozen=True, slots=True)
class GridTile:
    """A tile of the grid that info.json describes: `column` and `row` at a scale factor `step`."""

    step: int
    column: int
    row: int

    def parent(self) -> "GridTile":
        """The tile at twice the scale factor that shows it."""
        return GridTile(self.step * 2, self.column // 2, self.row // 2)

    def is_beside(self, other: "GridTile") -> bool:
        """Whether both touch, at one scale factor."""
        return self.step == other.step and abs(self.column - other.column) <= 1 and abs(self.row - other.row) <= 1


@dataclass(frozen=True, slots=True)
class Screen:
    """What a viewer seems to show: tiles of a scale factor, as far as the image reaches."""

    step: int
    columns: range
    rows: range

    def shows(self, tile: GridTile) -> bool:
        """Whether `tile` is of this scale factor and on it."""
        return tile.step == self.step and tile.column in self.columns and tile.row in self.rows


@dataclass(frozen=True, slots=True)
class Grid:
    """The tiles of an image: `full` and `tile` in pixels; `across` tiles a side are decoded together."""

    full: Size
    tile: Size
    across: int

    @property
    def follows_screens(self) -> bool:
        """Whether what is decoded together depends on where exactly the screen lies."""
        return False

    def find(self, region: Region, size: Size) -> GridTile | None:
        """The tile that a request asks for, if it asks for one (Image API 3.0, Implementation notes on tiling)."""
        step = max(-(-region.width // size.width), -(-region.height // size.height))
        step = 1 << (step - 1).bit_length()
        width, height = self.tile.width * step, self.tile.height * step
        if region.x % width or region.y % height:
            return None
        found = GridTile(step, region.x // width, region.y // height)
        return found if (region, size) == self.extent([found]) else None

    def extent(self, tiles: Iterable[GridTile]) -> tuple[Region, Size]:
        """The least rectangle that holds tiles of one scale factor: of the full image, and the pixels of its answer."""
        listed = list(tiles)
        step = listed[0].step
        width, height = self.tile.width * step, self.tile.height * step
        left = min(tile.column for tile in listed) * width
        top = min(tile.row for tile in listed) * height
        right = min(self.full.width, (max(tile.column for tile in listed) + 1) * width)
        bottom = min(self.full.height, (max(tile.row for tile in listed) + 1) * height)
        region = Region(left, top, right - left, bottom - top)
        return region, Size(-(-region.width // step), -(-region.height // step))

    def cut(self, tile: GridTile, within: Region) -> Region:
        """Where a tile lies in the answer to the region `within`, in pixels of that answer."""
        region, size = self.extent([tile])
        step = tile.step
        return Region((region.x - within.x) // step, (region.y - within.y) // step, size.width, size.height)

    def metatile(self, tile: GridTile) -> tuple[GridTile, ...]:
        """All tiles of the metatile that `tile` belongs to, row by row.

        Without those that are taken for tiles of a smaller scale factor when they are asked for: the last few pixels of
        an image.
        """
        columns, rows = self._block(tile)
        inside = (GridTile(tile.step, column, row) for row in rows for column in columns)
        return tuple(each for each in inside if self.find(*self.extent([each])) == each)

    def screen(self, first: Sequence[GridTile]) -> Screen:
        """The screen that begins with the tiles `first`, those around its middle; with all of them on it."""
        wide, high = self._counts(first[0].step)
        columns, rows = [tile.column for tile in first], [tile.row for tile in first]
        return Screen(
            first[0].step,
            _around(columns, _SCREEN.width / self.tile.width, wide),
            _around(rows, _SCREEN.height / self.tile.height, high),
        )

    def company(self, asked: GridTile, screen: Screen) -> tuple[GridTile, ...]:
        """What pays to be decoded with `asked`, and itself: its metatile, as far as the screen goes."""
        return tuple(tile for tile in self.metatile(asked) if screen.shows(tile))

    def cell(self, tile: GridTile) -> GridTile:
        """What processes leave to each other, named by its first tile: the metatile."""
        return GridTile(tile.step, tile.column - tile.column % self.across, tile.row - tile.row % self.across)

    def are_together(self, one: GridTile, other: GridTile) -> bool:
        """Whether both belong to one metatile."""
        return Grid.cell(self, one) == Grid.cell(self, other)

    def _counts(self, step: int) -> tuple[int, int]:
        """How many columns and rows of tiles the image has."""
        return -(-self.full.width // (self.tile.width * step)), -(-self.full.height // (self.tile.height * step))

    def _block(self, tile: GridTile) -> tuple[range, range]:
        """Columns and rows of the metatile, as far as the image reaches."""
        left, top = tile.column - tile.column % self.across, tile.row - tile.row % self.across
        columns, rows = self._counts(tile.step)
        return range(left, min(left + self.across, columns)), range(top, min(top + self.across, rows))


@dataclass(frozen=True, slots=True)
class EndGrid(Grid):
    """Of the tiles of a metatile only those that the image's right or lower end cuts: the others need no decoder."""

    def metatile(self, tile: GridTile) -> tuple[GridTile, ...]:
        """The last column and the last row where they are cut; as for all tiles, without the last few pixels."""
        columns, rows = self._block(tile)
        width, height = self.tile.width * tile.step, self.tile.height * tile.step
        last_column, last_row = self.full.width // width, self.full.height // height  # of what is cut
        ends = dict.fromkeys(
            [
                *(GridTile(tile.step, last_column, row) for row in rows if last_column in columns),
                *(GridTile(tile.step, column, last_row) for column in columns if last_row in rows),
            ]
        )
        return tuple(each for each in ends if self.find(*self.extent([each])) == each)


@dataclass(frozen=True, slots=True)
class ScreenGrid(Grid):
    """Of an image that has no borders within: what is decoded with a tile is half of the screen, above or below.

    The filters reach over the borders of whatever is decoded, at each level of resolution, and the coarser the level,
    the fuller its code-blocks: of 1024 × 1024 pixels most of what is decoded lies outside. So two large halves, for two
    decoders, cost less than metatiles that happen to lie on the screen.
    """

    @property
    def follows_screens(self) -> bool:
        return True

    def company(self, asked: GridTile, screen: Screen) -> tuple[GridTile, ...]:
        """Up to twice the metatile and a tile across, and the metatile and a quarter of it and a tile down.

        A screen of a megapixel is not halved. Beyond that, where metatiles are small, its metatile.
        """
        columns, rows = (_inner(each, 2 * self.across + 1) for each in (screen.columns, screen.rows))
        if asked.column not in columns or asked.row not in rows:
            return Grid.company(self, asked, screen)
        if len(columns) * len(rows) > min(self.across**2, max(1, _WHOLE_PIXELS // self.tile.area)):
            split = self._split(rows)
            upper, lower = range(rows.start, min(split, rows.stop)), range(max(rows.start, split), rows.stop)
            rows = upper if asked.row < split else lower
        inside = (GridTile(asked.step, column, row) for row in rows for column in columns)
        return tuple(each for each in inside if self.find(*self.extent([each])) == each)

    def cell(self, tile: GridTile) -> GridTile:
        """Half a metatile down and several across: what two processes take for the halves differs by little more."""
        across, down = _CELL_METATILES * self.across, self._band
        return GridTile(tile.step, tile.column - tile.column % across, tile.row - tile.row % down)

    @property
    def _band(self) -> int:
        return max(1, self.across // 2)

    def _split(self, rows: range) -> int:
        """The first row of the lower half: where a band begins, next to the middle of `rows`."""
        return round((rows.start + rows.stop) / 2 / self._band) * self._band


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known when a tile is asked for: the tiles that were asked for shortly before, and the screen that is
    being filled, as far as one can tell: around its first tiles, since viewers begin in the middle.
    """

    recent: tuple[GridTile, ...]
    screen: Screen


def _around(positions: Sequence[int], length: float, count: int) -> range:
    """`length` tiles around the middle of those at `positions`, and these, of `count`.

    Around a single one a tile more: its middle is that of the screen within half a tile only.
    """
    middle = sum(positions) / len(positions) + 0.5
    reach = (length + (len(positions) == 1)) / 2
    first, last = math.floor(middle - reach), math.ceil(middle + reach) - 1
    return range(max(0, min(first, *positions)), min(count, max(last, *positions) + 1))


def _inner(positions: range, most: int) -> range:
    """The middle ones."""
    start = positions.start + max(0, len(positions) - most) // 2
    return range(start, min(positions.stop, start + most))


def choose(
    grid: Grid, asked: GridTile, seen: Seen, is_taken: Callable[[GridTile], bool] = lambda _tile: False
) -> tuple[GridTile, ...]:
    """The tiles to decode together for `asked`, which comes first.

    `is_taken`: it is kept, or being made. Without a sign that neighbours will be asked for, the tile alone.
    """
    if not is_viewed(grid, asked, seen.recent):
        return (asked,)
    company = grid.company(asked, seen.screen)
    return (asked, *(tile for tile in company if tile != asked and not is_taken(tile)))


def is_viewed(grid: Grid, asked: GridTile, recent: tuple[GridTile, ...]) -> bool:
    """Another tile of the same metatile was asked for, or two neighbours, or the tile above and a neighbour of that."""
    known = frozenset(recent) - {asked}
    if any(grid.are_together(asked, tile) for tile in known):
        return True
    if sum(tile.is_beside(asked) for tile in known) >= _NEIGHBOURS:
        return True
    above = asked.parent()
    return above in known and (
        _is_whole(above, known) or any(tile != above and tile.is_beside(above) for tile in known)
    )


def _is_whole(tile: GridTile, known: frozenset[GridTile]) -> bool:
    """Whether the tile is the only one of its level, as far as one can tell: a viewer begins with it."""
    return tile.column == tile.row == 0 and not any(other.step > tile.step for other in known)
