"""The grid of tiles and the sizes of the levels (Image API 3.0 §5.3 and §5.4, 2.1 §5.2).

Scale factors are powers of two, and sizes are ceil(length / scale factor): what clients compute by themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from images.iiif.geometry import Region, Size
from images.iiif.grammar import ceil_divide
from images.iiif.limits import Limits


@dataclass(frozen=True, slots=True)
class TileSet:
    """One entry of `tiles`: tiles of this size at these scale factors, ascending."""

    size: Size
    scale_factors: tuple[int, ...]


def reduced_size(full: Size, scale_factor: int) -> Size:
    """The whole image at a scale factor."""
    return Size(ceil_divide(full.width, scale_factor), ceil_divide(full.height, scale_factor))


def scale_factors(full: Size, tile: Size) -> tuple[int, ...]:
    """1, 2, 4 … up to the first at which one tile holds the whole image."""
    factors = [1]
    while not _holds(tile, reduced_size(full, factors[-1])):
        factors.append(factors[-1] * 2)
    return tuple(factors)


def _holds(tile: Size, size: Size) -> bool:
    return size.width <= tile.width and size.height <= tile.height


def level_sizes(full: Size, factors: tuple[int, ...], limits: Limits | None = None) -> tuple[Size, ...]:
    """The sizes of the whole image at each scale factor that keep the limits, ascending, each once."""
    sizes = {reduced_size(full, factor) for factor in factors}
    allowed = [size for size in sizes if limits is None or limits.allow(size)]
    return tuple(sorted(allowed, key=lambda size: (size.area, size.width)))


def tile_set(full: Size, tile: Size, limits: Limits | None = None) -> TileSet:
    """The tiles of an image: `tile`, or half of it, a quarter … until it keeps the limits, and its scale factors."""
    while limits is not None and not limits.allow(tile) and tile != Size(1, 1):
        tile = Size(max(1, tile.width // 2), max(1, tile.height // 2))
    return TileSet(tile, scale_factors(full, tile))


def tile_regions(full: Size, tile: Size, scale_factor: int) -> Iterator[tuple[Region, Size]]:
    """Each tile at a scale factor, row by row: the region of the full image and the size to ask for."""
    width, height = tile.width * scale_factor, tile.height * scale_factor
    for y in range(0, full.height, height):
        for x in range(0, full.width, width):
            region = Region(x, y, min(width, full.width - x), min(height, full.height - y))
            yield region, reduced_size(region.size, scale_factor)
