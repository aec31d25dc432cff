"""Tiles, resolutions, bands and precincts, and which precincts a region needs (T.800 annex B; F.3 for the margins)."""

from collections.abc import Iterator
from dataclasses import dataclass

from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.markers import REVERSIBLE, BlockStyle, CodingStyle, ImageSize

Span = tuple[int, int]
"""A half-open stretch along one axis."""

_SUPPORT = {0: (3, 4), REVERSIBLE: (1, 2)}
"""Samples to each side on which one sample depends: of the low and the high band, for 9/7 and 5/3."""

BANDS = ((1, 0), (0, 1), (1, 1))
"""HL, LH, HH: high across, high down (T.800 table B.1)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """One resolution of one tile-component: its samples, and its precincts of 2^`exponents` samples.

    `first`: the number of its first precinct among those of the tile, which are counted by resolution, component, row
    and column. `shrink`: resolutions above it.
    """

    component: int
    number: int
    shrink: int
    steps: tuple[int, int]
    x: Span
    y: Span
    exponents: tuple[int, int]
    across: int
    down: int
    first: int

    @property
    def count(self) -> int:
        return self.across * self.down


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile on the reference grid. `resolutions`: of all components, in the order in which precincts are counted."""

    x: Span
    y: Span
    resolutions: tuple[Resolution, ...]

    @property
    def precincts(self) -> int:
        last = self.resolutions[-1] if self.resolutions else None
        return last.first + last.count if last else 0


def tile_spans(size: ImageSize, number: int) -> tuple[Span, Span]:
    """T.800 B-7 to B-10."""
    row, column = divmod(number, size.tiles_across)
    left, top = size.tile_left + column * size.tile_width, size.tile_top + row * size.tile_height
    return (
        (max(size.left, left), min(size.right, left + size.tile_width)),
        (max(size.top, top), min(size.bottom, top + size.tile_height)),
    )


def tile_geometry(size: ImageSize, style: CodingStyle, number: int) -> Tile:
    x, y = tile_spans(size, number)
    resolutions: list[Resolution] = []
    first = 0
    styles = [style.of(component) for component in range(len(size.components))]
    for resolution in range(max(each.levels for each in styles) + 1):
        for component, block_style in enumerate(styles):
            if resolution <= block_style.levels:
                steps = (size.components[component].dx, size.components[component].dy)
                made = _resolution(component, resolution, block_style, steps, (x, y), first)
                resolutions.append(made)
                first += made.count
    return Tile(x, y, tuple(resolutions))


def _resolution(
    component: int, number: int, style: BlockStyle, steps: tuple[int, int], tile: tuple[Span, Span], first: int
) -> Resolution:
    """T.800 B-14 to B-16."""
    shrink = style.levels - number
    exponents = style.precinct(number)
    x, y = (
        (ceil_shift(-(-span[0] // step), shrink), ceil_shift(-(-span[1] // step), shrink))
        for span, step in zip(tile, steps, strict=True)
    )
    across, down = (_cells(span, exponent) for span, exponent in zip((x, y), exponents, strict=True))
    if not across or not down:
        across = down = 0
    return Resolution(component, number, shrink, steps, x, y, exponents, across, down, first)


def _cells(span: Span, exponent: int) -> int:
    return ceil_shift(span[1], exponent) - (span[0] >> exponent) if span[1] > span[0] else 0


def block_counts(resolution: Resolution, style: BlockStyle, tile: Tile, precinct: int) -> Iterator[tuple[int, int]]:
    """Code-blocks across and down of each band of a precinct (T.800 B.6, B.7)."""
    row, column = divmod(precinct, resolution.across)
    half = 1 if resolution.number else 0
    level = resolution.shrink + half
    for high_x, high_y in BANDS if half else ((0, 0),):
        yield (
            _blocks(tile.x, resolution, 0, high_x, level, column, style.block_width_exponent, half),
            _blocks(tile.y, resolution, 1, high_y, level, row, style.block_height_exponent, half),
        )


def _blocks(
    tile: Span, resolution: Resolution, axis: int, high: int, level: int, cell: int, block: int, half: int
) -> int:
    step, exponent = resolution.steps[axis], resolution.exponents[axis] - half
    shift = (high << level) >> 1
    start, stop = (ceil_shift(-(-edge // step) - shift, level) for edge in tile)
    position = ((resolution.x, resolution.y)[axis][0] >> resolution.exponents[axis]) + cell
    start, stop = max(start, position << exponent), min(stop, (position + 1) << exponent)
    if stop <= start:
        return 0
    block = min(block, exponent)
    return ceil_shift(stop, block) - (start >> block)


def needed_precincts(
    resolutions: list[Resolution], style: BlockStyle, region: tuple[Span, Span], reduction: int
) -> list[tuple[Span, Span]]:
    """For each resolution of a component that `reduction` leaves, the columns and rows of the precincts needed.

    `resolutions`: of one component, from the lowest. `region`: on the reference grid, `reduction` resolutions left out.
    Minimal supports of the synthesis filters (T.800 F.3), as a box over all bands.
    """
    kept = resolutions[: len(resolutions) - reduction]
    columns = _needed(
        [each.x for each in kept], [each.exponents[0] for each in kept], region[0], style, kept[0].steps[0]
    )
    rows = _needed([each.y for each in kept], [each.exponents[1] for each in kept], region[1], style, kept[0].steps[1])
    return [
        (across, down) if across[0] < across[1] and down[0] < down[1] else ((0, 0), (0, 0))
        for across, down in zip(columns, rows, strict=True)
    ]


def _needed(levels: list[Span], exponents: list[int], region: Span, style: BlockStyle, step: int) -> list[Span]:
    cells: list[Span] = []
    for number, (low, high) in enumerate(band_spans(levels, region, style, step)):
        if low[0] >= low[1]:
            cells.append((0, 0))
            continue
        half = 1 if number else 0
        box = (min(low[0], high[0]), max(low[1], high[1]))
        cells.append(_cells_of(box, levels[number], exponents[number], exponents[number] - half))
    return cells


def band_spans(levels: list[Span], region: Span, style: BlockStyle, step: int) -> list[tuple[Span, Span]]:
    """Along one axis, for each of these resolutions of a component, the samples of its low and its high band that a
    region depends on; they may reach beyond the band. Minimal supports of the synthesis filters (T.800 F.3).

    `levels`: extents of the resolutions from the lowest. `region`: on the reference grid of the last. Of the lowest
    resolution, whose band is itself, both are the same.
    """
    low_support, high_support = _SUPPORT[style.transform]
    start, stop = (min(max(-(-edge // step), levels[-1][0]), levels[-1][1]) for edge in region)
    spans: list[tuple[Span, Span]] = []
    for number in range(len(levels) - 1, -1, -1):
        if start >= stop:
            spans.append(((0, 0), (0, 0)))
        elif number:
            low = ((start - low_support + 1) >> 1, ((stop - 1 + low_support) >> 1) + 1)
            high = ((start - high_support) >> 1, ((stop - 2 + high_support) >> 1) + 1)
            spans.append((low, high))
            below = levels[number - 1]
            start, stop = max(low[0], below[0]), min(low[1], below[1])
        else:
            spans.append(((start, stop), (start, stop)))
    return spans[::-1]


def _cells_of(samples: Span, level: Span, exponent: int, band_exponent: int) -> Span:
    """The precincts that hold these samples of a band, counted from the first of the tile."""
    first, count = level[0] >> exponent, _cells(level, exponent)
    start = max((samples[0] >> band_exponent) - first, 0)
    return start, max(start, min(((samples[1] - 1) >> band_exponent) + 1 - first, count))
