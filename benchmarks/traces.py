"""What is asked for: pure lists of regions and sizes, from an image's pyramid (Image API 3.0, implementation notes).

The session does what OpenSeadragon 4 and 5 do with an info.json of square tiles: of each view the visible tiles of all
levels from the coarsest to the finest one whose pixels are at most two to a pixel of the screen (`minPixelRatio` 0.5),
coarse levels first, of one level those nearest to the middle first, each tile once. Views are where the animation ends:
tiles of its intermediate steps are the same ones, asked for earlier.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

MIN_PIXEL_RATIO = 0.5
VIEWPORT = (1200, 800)


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Tiles of an image; scale factors are powers of two up to the one where a single tile holds it all."""

    width: int
    height: int
    tile: int = 256

    @property
    def scale_factors(self) -> list[int]:
        factors = [1]
        while max(self.width, self.height) > self.tile * factors[-1]:
            factors.append(factors[-1] * 2)
        return factors

    def columns(self, factor: int) -> int:
        return -(-self.width // (self.tile * factor))

    def rows(self, factor: int) -> int:
        return -(-self.height // (self.tile * factor))

    def tiles(self) -> list["Tile"]:
        """Every tile of every level, the coarsest level first, row by row."""
        return [
            Tile(factor, column, row)
            for factor in reversed(self.scale_factors)
            for row in range(self.rows(factor))
            for column in range(self.columns(factor))
        ]


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile of a level; the coarser the level, the larger the factor."""

    factor: int
    column: int
    row: int

    def touches(self, other: "Tile") -> bool:
        return self.factor == other.factor and abs(self.column - other.column) <= 1 and abs(self.row - other.row) <= 1

    def is_at_the_end(self, pyramid: Pyramid) -> bool:
        """Whether it is among the last of its level, on the right or below."""
        return self.column == pyramid.columns(self.factor) - 1 or self.row == pyramid.rows(self.factor) - 1

    def path(self, pyramid: Pyramid, *, width_only: bool = False) -> str:
        """Region, size, rotation and quality as in a URL: `w,h` as OpenSeadragon writes for 3.0, or `w,`."""
        side = pyramid.tile * self.factor
        x, y = self.column * side, self.row * side
        width, height = min(side, pyramid.width - x), min(side, pyramid.height - y)
        across, down = -(-width // self.factor), -(-height // self.factor)
        size = f"{across}," if width_only else f"{across},{down}"
        region = f"{x},{y},{width},{height}"
        if (width, height) == (pyramid.width, pyramid.height):
            region = "full"
        return f"{region}/{size}/0/default.jpg"


@dataclass(frozen=True, slots=True)
class View:
    """What a viewport shows: its middle in parts of the image, and screen pixels by image pixel."""

    x: float
    y: float
    zoom: float


def session(pyramid: Pyramid, views: list[View], viewport: tuple[int, int] = VIEWPORT) -> list[list[Tile]]:
    """Tiles in the order in which they are asked for, one list a view; none twice, as a viewer keeps them."""
    loaded: set[Tile] = set()
    batches = []
    for view in views:
        batch = [tile for tile in _visible(pyramid, view, viewport) if tile not in loaded]
        loaded.update(batch)
        if batch:
            batches.append(batch)
    return batches


def _visible(pyramid: Pyramid, view: View, viewport: tuple[int, int]) -> Iterator[Tile]:
    left, right = _extent(view.x * pyramid.width, viewport[0] / view.zoom, pyramid.width)
    top, bottom = _extent(view.y * pyramid.height, viewport[1] / view.zoom, pyramid.height)
    middle = ((left + right) / 2, (top + bottom) / 2)
    for factor in reversed(pyramid.scale_factors):
        if view.zoom * factor < MIN_PIXEL_RATIO and factor != pyramid.scale_factors[-1]:
            return
        side = pyramid.tile * factor
        tiles = [
            Tile(factor, column, row)
            for row in range(int(top // side), min(pyramid.rows(factor), math.ceil(bottom / side)))
            for column in range(int(left // side), min(pyramid.columns(factor), math.ceil(right / side)))
        ]
        yield from sorted(tiles, key=lambda tile: _distance(tile, side, middle))


def _extent(middle: float, length: float, whole: int) -> tuple[float, float]:
    return max(0.0, middle - length / 2), min(float(whole), middle + length / 2)


def _distance(tile: Tile, side: int, middle: tuple[float, float]) -> float:
    return ((tile.column + 0.5) * side - middle[0]) ** 2 + ((tile.row + 0.5) * side - middle[1]) ** 2


def visit(pyramid: Pyramid) -> list[View]:
    """A reader's way: all of it, in three steps into a detail, then on to the right and down.

    221 tiles of an image of 12000x9000.
    """
    home = min(VIEWPORT[0] / pyramid.width, VIEWPORT[1] / pyramid.height)
    full = min(1.0, home * 8)
    x, y = 0.30, 0.40
    right, down = x + 1200 / pyramid.width, y + 600 / pyramid.height
    into = [View(0.5, 0.5, home), View(0.42, 0.47, home * 2), View(0.36, 0.42, home * 4), View(x, y, full)]
    return [*into, View(right, y, full), View(right, down, full)]


def random_tiles(pyramid: Pyramid, count: int, *, seed: int, metatile: int = 1024) -> list[Tile]:
    """Tiles of all levels, of which no two touch or lie in one metatile: what was decoded with one helps no other.

    Fewer than `count` where the image has no more such tiles.
    """
    group = metatile // pyramid.tile
    chooser = random.Random(seed)  # noqa: S311 - no secret
    cells = [
        (factor, column, row)
        for factor in pyramid.scale_factors
        for row in range(-(-pyramid.rows(factor) // group))
        for column in range(-(-pyramid.columns(factor) // group))
    ]
    chooser.shuffle(cells)
    tiles: list[Tile] = []
    for factor, column, row in cells:
        columns = range(column * group, min((column + 1) * group, pyramid.columns(factor)))
        rows = range(row * group, min((row + 1) * group, pyramid.rows(factor)))
        tile = Tile(factor, chooser.choice(columns), chooser.choice(rows))
        if len(tiles) < count and not any(tile.touches(other) for other in tiles):
            tiles.append(tile)
    return tiles


def first_tiles(pyramid: Pyramid, count: int, *, seed: int) -> list[Tile]:
    """Whole tiles of the three finest levels, of metatiles of their own: each is the first that is asked of it."""
    wanted = random_tiles(pyramid, 100_000, seed=seed)
    inside = [
        tile
        for tile in wanted
        if tile.factor <= 4
        and (tile.column + 1) * tile.factor * pyramid.tile <= pyramid.width
        and (tile.row + 1) * tile.factor * pyramid.tile <= pyramid.height
    ]
    return inside[:count]


THUMBNAILS = ("full/!200,200/0/default.jpg", "full/!400,400/0/default.jpg")
WHOLES = ("full/!2000,2000/0/default.jpg", "full/max/0/default.jpg")
