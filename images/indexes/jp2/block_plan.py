"""From an index and a region to a codestream of single code-blocks: a window of the image that is one tile, in one
quality layer, with new packet headers.

The window stays where it is on the reference grid, and holds every block that is needed whole, so neither a block nor a
sample moves. Samples that depend on what is left out lie outside of the region.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from images.iiif.geometry import Region
from images.indexes.jp2 import rewriting
from images.indexes.jp2.block_map import BlockMap
from images.indexes.jp2.blocks import BlockGrid, ResolutionBlocks, lay_out
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.markers import CodingStyle, ImageSize
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.precincts import Span, band_spans, tile_geometry
from images.indexes.jp2.reads import DISK_GAP_BYTES, joined
from images.indexes.jp2.recipes import BandRecipe, BlockRecipe, PacketRecipe, SparsePlan


@dataclass(frozen=True, slots=True)
class _Needed:
    """Columns and rows of the blocks of each band that are needed of one resolution."""

    blocks: ResolutionBlocks
    bands: tuple[tuple[Span, Span], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """What a plan would hold: its extent on the reference grid with `reduction` resolutions left out, and blocks."""

    x: Span
    y: Span
    blocks: int
    needed: tuple[_Needed, ...]

    @property
    def pixels(self) -> int:
        return (self.x[1] - self.x[0]) * (self.y[1] - self.y[0])

    @property
    def blocks_beside(self) -> int:
        """In one more row and one more column of each band."""
        return sum(
            columns[1] - columns[0] + rows[1] - rows[0] + 1
            for each in self.needed
            for columns, rows in each.bands
            if columns[0] < columns[1]
        )


@dataclass(frozen=True, slots=True)
class WindowStep:
    """Where windows of an image whose parts are decoded whole may begin and end, in pixels of the full size: at
    multiples of `step` from `origin`, `margin` beyond a region or less. Across and down.
    """

    step: tuple[int, int]
    origin: tuple[int, int]
    margin: tuple[int, int]

    def to_json(self) -> dict[str, list[int]]:
        return {"step": list(self.step), "origin": list(self.origin), "margin": list(self.margin)}


_REACH = 4
"""Samples of the lowest resolution by which the code-blocks of a window reach beyond its region at most."""


def window_step(index: PacketIndex) -> WindowStep | None:
    """For high throughput code-blocks; None where windows are not needed, or can't be had. Pure and cheap.

    From level to level a region of the low
    bands becomes half as long and up to (3 + 1) / 2 samples longer at each end (T.800 F.3), so that it ends less than
    four samples of the lowest further out; its high bands, (3 + 1 + 4) / 2 samples longer, four at the most.
    """
    if not index.is_high_throughput:
        return None
    size = index.size
    if size.tile_count > 1:
        return WindowStep((size.tile_width, size.tile_height), (size.tile_left, size.tile_top), (0, 0))
    if not index.has_blocks:
        return None
    steps, margins = [0, 0], [0, 0]
    for number, component in enumerate(size.components):
        style = index.style_of(0).of(number)
        for axis, step in enumerate((component.dx, component.dy)):
            steps[axis] = max(steps[axis], step << style.largest_block(axis))
            margins[axis] = max(margins[axis], _REACH * step << style.levels)
    return WindowStep((steps[0], steps[1]), (0, 0), (margins[0], margins[1]))


def find_window(index: PacketIndex, region: Region, reduction: int) -> Window | None:
    """The window for `region`, in pixels of the level that `reduction` leaves; None without an index of code-blocks."""
    found = index.blocks
    if found is None:
        return None
    size = index.size
    x = _moved(size.left, region.x, region.width, reduction)
    y = _moved(size.top, region.y, region.height, reduction)
    needed = tuple(_needed(found, (x, y), reduction))
    left, right = _extent(needed, x, 0, reduction)
    top, bottom = _extent(needed, y, 1, reduction)
    count = sum((columns[1] - columns[0]) * (rows[1] - rows[0]) for each in needed for columns, rows in each.bands)
    return Window(
        (max(left, ceil_shift(size.left, reduction)), min(right, ceil_shift(size.right, reduction))),
        (max(top, ceil_shift(size.top, reduction)), min(bottom, ceil_shift(size.bottom, reduction))),
        count,
        needed,
    )


def plan_window(
    index: PacketIndex,
    window: Window,
    region: Region,
    reduction: int,
    layers: int | None = None,
    gap_bytes: int = DISK_GAP_BYTES,
) -> SparsePlan:
    """The plan for a window that was found for the same region and reduction, with the first `layers` layers or all."""
    found = index.blocks
    if found is None:
        raise ValueError("An index without code-blocks has no windows.")
    kept = min(layers or found.style.layers, found.style.layers)
    size = _window_size(index.size, window)
    style = _window_style(found.style, len(size.components), reduction)
    packets = tuple(_packets(window, size, style))
    stretches = list(_stretches(found, packets, kept))
    recipe = BlockRecipe(0, rewriting.window_segments(index, style, reduction), found, kept, packets)
    return SparsePlan(
        jp2_header=index.jp2_header,
        main_header=rewriting.window_header(index, size, style, reduction),
        tiles=(recipe,),
        ranges=joined(stretches, gap_bytes),
        size=size,
        reduction=0,
        x=region.x + window.x[0] - _moved(index.size.left, region.x, 0, reduction)[0],
        y=region.y + window.y[0] - _moved(index.size.top, region.y, 0, reduction)[0],
        width=window.x[1] - window.x[0],
        height=window.y[1] - window.y[0],
        needed_bytes=sum(stop - start for start, stop in stretches),
    )


def _moved(edge: int, start: int, length: int, reduction: int) -> Span:
    """A stretch of a level on the reference grid, `reduction` resolutions left out."""
    first = ceil_shift(edge, reduction) + start
    return first, first + length


def _needed(found: BlockMap, region: tuple[Span, Span], reduction: int) -> Iterator[_Needed]:
    """In the order of the tile's resolutions, those that stay."""
    by_component: dict[int, list[ResolutionBlocks]] = {}
    for each in found.layout:
        by_component.setdefault(each.resolution.component, []).append(each)
    wanted = []
    for component, all_blocks in by_component.items():
        kept = all_blocks[: len(all_blocks) - reduction]
        style = found.style.of(component)
        steps = kept[0].resolution.steps
        across = band_spans([each.resolution.x for each in kept], region[0], style, steps[0])
        down = band_spans([each.resolution.y for each in kept], region[1], style, steps[1])
        for each, x, y in zip(kept, across, down, strict=True):
            bands = tuple(_needed_blocks(grid, x[grid.high[0]], y[grid.high[1]]) for grid in each.grids)
            wanted.append(_Needed(each, bands))
    wanted.sort(key=lambda each: (each.blocks.resolution.number, each.blocks.resolution.component))
    yield from wanted


def _needed_blocks(grid: BlockGrid, x: Span, y: Span) -> tuple[Span, Span]:
    columns = _clipped(x, grid.exponents[0], grid.columns)
    rows = _clipped(y, grid.exponents[1], grid.rows)
    return (columns, rows) if columns[0] < columns[1] and rows[0] < rows[1] else ((0, 0), (0, 0))


def _clipped(samples: Span, exponent: int, blocks: Span) -> Span:
    if samples[0] >= samples[1]:
        return 0, 0
    return max(samples[0] >> exponent, blocks[0]), min(((samples[1] - 1) >> exponent) + 1, blocks[1])


def _extent(needed: tuple[_Needed, ...], region: Span, axis: int, reduction: int) -> Span:
    """The stretch of the reference grid in which all needed blocks lie whole, and the region.

    Bands end at whole blocks where the grid ends at whole blocks of their level, high bands too (T.800 B-15).
    """
    first, last = region
    for each in needed:
        step = each.blocks.resolution.steps[axis]
        for grid, spans in zip(each.blocks.grids, each.bands, strict=True):
            start, stop = spans[axis]
            if start < stop:
                exponent = grid.exponents[axis] + grid.level - reduction
                first = min(first, (start << exponent) * step)
                last = max(last, (stop << exponent) * step)
    return first, last


def _window_size(size: ImageSize, window: Window) -> ImageSize:
    """One tile from the origin of the grid, so that everything stays anchored there."""
    return replace(
        size,
        left=window.x[0],
        right=window.x[1],
        top=window.y[0],
        bottom=window.y[1],
        tile_left=0,
        tile_top=0,
        tile_width=window.x[1],
        tile_height=window.y[1],
    )


def _window_style(style: CodingStyle, components: int, reduction: int) -> CodingStyle:
    """Without precincts, but where they make code-blocks smaller (T.800 B-17, B-18)."""
    return replace(
        style,
        layers=1,
        has_sop=False,
        has_eph=False,
        default=rewriting.window_block_style(style.default, reduction),
        components={number: rewriting.window_block_style(style.of(number), reduction) for number in range(components)},
    )


def _packets(window: Window, size: ImageSize, style: CodingStyle) -> Iterator[PacketRecipe]:
    """All packets of the window: by resolution, component and precinct, which is the order RLCP with one layer."""
    layout = lay_out(tile_geometry(size, style, 0), style)
    for new, needed in zip(layout, window.needed, strict=True):
        resolution = new.resolution
        flags = style.of(resolution.component).flags
        for down in range(resolution.down):
            for across in range(resolution.across):
                cell = (new.cell(0) + across, new.cell(1) + down)
                yield PacketRecipe(flags, tuple(_bands(new, needed, cell)))


def _bands(new: ResolutionBlocks, needed: _Needed, cell: tuple[int, int]) -> Iterator[BandRecipe]:
    for band, (grid, (columns, rows)) in enumerate(zip(new.grids, needed.bands, strict=True)):
        left, right = _within(grid.columns, cell[0], grid.cells[0])
        top, bottom = _within(grid.rows, cell[1], grid.cells[1])
        kept = (max(columns[0], left), min(columns[1], right))
        lines = (
            tuple(
                ((row - top, kept[0] - left), tuple(needed.blocks.runs(band, kept, row)))
                for row in range(max(rows[0], top), min(rows[1], bottom))
            )
            if kept[0] < kept[1]
            else ()
        )
        yield BandRecipe(max(0, right - left), max(0, bottom - top), lines)


def _within(blocks: Span, cell: int, shift: int) -> Span:
    """The part of a grid that lies in a precinct."""
    return max(blocks[0], cell << shift), min(blocks[1], (cell + 1) << shift)


def _stretches(found: BlockMap, packets: tuple[PacketRecipe, ...], layers: int) -> Iterator[tuple[int, int]]:
    """Where the bytes of the needed blocks lie in the source: those of a run follow each other in each layer."""
    lengths = found.blocks.lengths
    bases = [layer * found.count for layer in range(layers)]
    for packet in packets:
        for band in packet.bands:
            for _, runs in band.lines:
                for run in runs:
                    first, last = run.start, run.stop - 1
                    offsets = found.offsets(first)
                    for base in bases:
                        begin, end = offsets[base + first], offsets[base + last] + lengths[base + last]
                        if begin < end:
                            yield begin, end
