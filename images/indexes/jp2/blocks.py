"""The code-blocks of a tile: their grids, their numbers, and what the packets say of each (T.800 B.7, B.10).

Blocks are numbered as packets hold them: by precinct, by band, and row by row within a precinct's part of a band.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from operator import mul

from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.markers import BlockStyle, CodingStyle
from images.indexes.jp2.precincts import BANDS, Resolution, Span, Tile

_LONGEST = 0xFFFF
"""Bytes of a block in one packet: 4,096 samples of 38 bits have 19,456 before they are compressed."""


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """The code-blocks of one band of a resolution, counted from the origin of the band's plane.

    `high`: 1 where the band is the high one, across and down. `level`: its decomposition level. `exponents`: log2 of
    a block's samples across and down, `cells`: log2 of the blocks of a precinct. `columns`, `rows`: of blocks.
    """

    high: tuple[int, int]
    level: int
    exponents: tuple[int, int]
    cells: tuple[int, int]
    columns: Span
    rows: Span

    @property
    def count(self) -> int:
        return (self.columns[1] - self.columns[0]) * (self.rows[1] - self.rows[0])


def block_grids(tile: Tile, resolution: Resolution, style: BlockStyle) -> tuple[BlockGrid, ...]:
    half = 1 if resolution.number else 0
    level = resolution.shrink + half
    cells = (resolution.exponents[0] - half, resolution.exponents[1] - half)
    across, down = min(style.block_width_exponent, cells[0]), min(style.block_height_exponent, cells[1])
    return tuple(
        BlockGrid(
            (high_x, high_y),
            level,
            (across, down),
            (cells[0] - across, cells[1] - down),
            _blocks(tile.x, resolution.steps[0], high_x, level, across),
            _blocks(tile.y, resolution.steps[1], high_y, level, down),
        )
        for high_x, high_y in (BANDS if half else ((0, 0),))
    )


def _blocks(tile: Span, step: int, high: int, level: int, exponent: int) -> Span:
    """T.800 B-15 for the band, B.7 for its blocks."""
    shift = (high << level) >> 1
    start, stop = (ceil_shift(-(-edge // step) - shift, level) for edge in tile)
    return (start >> exponent, ceil_shift(stop, exponent)) if start < stop else (0, 0)


def count_blocks(tile: Tile, style: CodingStyle) -> int:
    """Code-blocks of a tile; nothing is allocated for them."""
    return sum(
        grid.count
        for resolution in tile.resolutions
        if resolution.count
        for grid in block_grids(tile, resolution, style.of(resolution.component))
    )


@dataclass(frozen=True, slots=True)
class ResolutionBlocks:
    """The grids of a resolution, and for each of its precincts and bands the number of the first block there."""

    resolution: Resolution
    grids: tuple[BlockGrid, ...]
    firsts: "array[int]"

    def cell(self, axis: int) -> int:
        """The first column or row of precincts, counted from the origin."""
        return (self.resolution.x, self.resolution.y)[axis][0] >> self.resolution.exponents[axis]

    def runs(self, band: int, columns: Span, row: int) -> Iterator[range]:
        """Numbers of the blocks in these columns of a row of a band, which is in the grid: a run for each precinct."""
        grid, bands = self.grids[band], len(self.grids)
        shift_x, shift_y = grid.cells
        down = row >> shift_y
        precinct = (down - self.cell(1)) * self.resolution.across - self.cell(0)
        rows_above = row - max(grid.rows[0], down << shift_y)
        at = columns[0]
        while at < columns[1]:
            across = at >> shift_x
            start, stop = max(grid.columns[0], across << shift_x), min(grid.columns[1], (across + 1) << shift_x)
            first = self.firsts[(precinct + across) * bands + band] + rows_above * (stop - start)
            end = min(stop, columns[1])
            yield range(first + at - start, first + end - start)
            at = end


def lay_out(tile: Tile, style: CodingStyle) -> tuple[ResolutionBlocks, ...]:
    """In the order of the tile's resolutions."""
    made = []
    at = 0
    for resolution in tile.resolutions:
        grids = block_grids(tile, resolution, style.of(resolution.component)) if resolution.count else ()
        columns = list(zip(*(_lengths(resolution, 0, grid) for grid in grids), strict=True))
        rows = zip(*(_lengths(resolution, 1, grid) for grid in grids), strict=True)
        counts = chain.from_iterable(map(mul, widths, heights) for heights in rows for widths in columns)
        firsts = array("I", accumulate(counts, initial=at))
        at = firsts.pop()
        made.append(ResolutionBlocks(resolution, grids, firsts))
    return tuple(made)


def _lengths(resolution: Resolution, axis: int, grid: BlockGrid) -> list[int]:
    """Blocks of a band in each column or row of precincts."""
    shift = grid.cells[axis]
    start, stop = (grid.columns, grid.rows)[axis]
    first = (resolution.x, resolution.y)[axis][0] >> resolution.exponents[axis]
    count = (resolution.across, resolution.down)[axis]
    return [max(0, min(stop, (cell + 1) << shift) - max(start, cell << shift)) for cell in range(first, first + count)]


@dataclass(frozen=True, slots=True)
class TileBlocks:
    """What packet headers say of the blocks of a tile, by number.

    `zero_bit_planes`: of each block, whatever where it is in no packet. `passes`, `lengths`: of each layer all blocks,
    coding passes and bytes that the layer adds. `segments`: where blocks have several codeword segments, the bytes of
    each that a packet adds to, in the order of the packets.
    """

    zero_bit_planes: bytes
    passes: bytes
    lengths: "array[int]"
    segments: "array[int]" = field(default_factory=lambda: array("H"))

    @property
    def memory_bytes(self) -> int:
        return len(self.zero_bit_planes) + len(self.passes) + 2 * (len(self.lengths) + len(self.segments))


class BlockRecord:
    """Blocks of a tile while its packets are read. `fits`: no length is longer than what is stored of it."""

    __slots__ = ("_lengths", "_passes", "_segments", "count", "fits", "layout", "zero_bit_planes")

    def __init__(self, layout: Sequence[ResolutionBlocks], blocks: int, layers: int) -> None:
        self.count = blocks
        self.layout = layout
        self.fits = True
        self.zero_bit_planes = bytearray(blocks)
        self._passes = bytearray(blocks * layers)
        self._lengths = array("H", bytes(2 * blocks * layers))
        self._segments = array("H")

    def add(self, layer: int, block: int, passes: int, length: int) -> None:
        """What one packet holds of one block."""
        if length > _LONGEST:
            self.fits = False
            return
        at = layer * self.count + block
        self._passes[at] = passes
        self._lengths[at] = length

    def add_segments(self, lengths: Sequence[int]) -> None:
        """The bytes of each codeword segment of a block whose style has several."""
        if self.fits:
            self._segments.extend(lengths)

    def finished(self) -> TileBlocks | None:
        """All that was taken down, if it fits."""
        if not self.fits:
            return None
        return TileBlocks(bytes(self.zero_bit_planes), bytes(self._passes), self._lengths, self._segments)
