"""Sizes and counts that follow from a main header (T.800 annex B)."""

from itertools import pairwise

from images.indexes.jp2.markers import BlockStyle, Component, ImageSize, MainHeader


def ceil_shift(value: int, exponent: int) -> int:
    """value / 2^exponent, rounded up."""
    return -(-value >> exponent)


def level_size(size: ImageSize, reduction: int) -> tuple[int, int]:
    """Width and height with `reduction` resolution levels left out; 0 where no sample is left (T.800 B-15)."""
    return (
        ceil_shift(size.right, reduction) - ceil_shift(size.left, reduction),
        ceil_shift(size.bottom, reduction) - ceil_shift(size.top, reduction),
    )


def empties_tiles(size: ImageSize, reduction: int) -> bool:
    """Does a tile that has samples lose all of them with `reduction` levels left out? OpenJPEG refuses such a level.

    T.800 B-12 and B-14, for the first four components.
    """
    across = {component.dx for component in size.components[:4]}
    down = {component.dy for component in size.components[:4]}
    return _empties(size.left, size.right, size.tile_left, size.tile_width, across, reduction) or _empties(
        size.top, size.bottom, size.tile_top, size.tile_height, down, reduction
    )


def _empties(start: int, stop: int, origin: int, length: int, steps: set[int], reduction: int) -> bool:
    inner = range(origin + length, stop, length)
    for step in steps:
        edges = [-(-edge // step) for edge in (start, *inner, stop)]
        for first, last in pairwise(edges):
            if first < last and ceil_shift(first, reduction) == ceil_shift(last, reduction):
                return True
    return False


def has_samples(size: ImageSize, tile: int) -> bool:
    """Has any of the first components a sample in this tile? One without may be left out of the codestream.

    T.800 B-7 to B-12. Four components are looked at: a tile that only others fill is not missed.
    """
    row, column = divmod(tile, size.tiles_across)
    left = max(size.left, size.tile_left + column * size.tile_width)
    right = min(size.right, size.tile_left + (column + 1) * size.tile_width)
    top = max(size.top, size.tile_top + row * size.tile_height)
    bottom = min(size.bottom, size.tile_top + (row + 1) * size.tile_height)
    return any(
        -(-left // component.dx) < -(-right // component.dx) and -(-top // component.dy) < -(-bottom // component.dy)
        for component in size.components[:4]
    )


def least_packets(header: MainHeader) -> int:
    """Packets that the codestream has at least; each takes a byte at least (T.800 B.6, B.9).

    Precincts are counted as if the image were one tile: borders of tiles can only add to them.
    """
    size = header.size
    whole = sum(
        _precincts(size, component, header.style.of(number)) for number, component in enumerate(size.components)
    )
    never_empty = sum(component.dx == component.dy == 1 for component in size.components)
    return header.style.layers * max(whole, never_empty * size.tile_count)


def _precincts(size: ImageSize, component: Component, style: BlockStyle) -> int:
    total = 0
    for resolution in range(style.levels + 1):
        reduction = style.levels - resolution
        across, down = style.precinct(resolution)
        total += _cells(size.left, size.right, component.dx, reduction, across) * _cells(
            size.top, size.bottom, component.dy, reduction, down
        )
    return total


def _cells(start: int, stop: int, step: int, reduction: int, exponent: int) -> int:
    """Cells of 2^exponent samples, counted from 0, that a reduced component touches (T.800 B-16)."""
    first = ceil_shift(-(-start // step), reduction)
    last = ceil_shift(-(-stop // step), reduction)
    return ceil_shift(last, exponent) - (first >> exponent) if last > first else 0


def most_code_blocks(header: MainHeader) -> int:
    """About how many code-blocks a whole tile has: a decoder keeps a record of each."""
    size = header.size
    width, height = min(size.tile_width, size.width), min(size.tile_height, size.height)
    total = 0
    for number, component in enumerate(size.components):
        style = header.style.of(number)
        for resolution in range(style.levels + 1):
            across, down = style.precinct(resolution)
            shrink = style.levels - resolution
            half = 1 if resolution else 0  # the bands of a resolution have half of its samples a side
            block_width = 1 << (min(style.block_width_exponent, across - half) + half)
            block_height = 1 << (min(style.block_height_exponent, down - half) + half)
            columns = -(-ceil_shift(-(-width // component.dx), shrink) // block_width)
            rows = -(-ceil_shift(-(-height // component.dy), shrink) // block_height)
            total += columns * rows * (3 if resolution else 1)
    return total
