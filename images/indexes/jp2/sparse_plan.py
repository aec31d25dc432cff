"""From an index and a region to the bytes to read and the codestream to build of them: only the packets needed.

The new codestream holds the tiles that the region touches, at the resolution asked for; packets of other precincts are
written as empty ones (T.800 B.9). Nothing that is kept moves on the reference grid, so the samples come out the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from images.iiif.geometry import Region
from images.indexes.jp2 import rewriting
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.markers import ImageSize
from images.indexes.jp2.packet_index import PacketIndex, TileMap
from images.indexes.jp2.precincts import Resolution, Span, needed_precincts
from images.indexes.jp2.reads import DISK_GAP_BYTES, joined
from images.indexes.jp2.recipes import SparsePlan, TileRecipe


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A resolution that is written, with the columns and rows of precincts that are kept of it."""

    resolution: Resolution
    columns: Span
    rows: Span


def plan_region(
    index: PacketIndex, region: Region, reduction: int, layers: int | None = None, gap_bytes: int = DISK_GAP_BYTES
) -> SparsePlan:
    """Plan for `region`, in pixels of the level that `reduction` leaves, with the first `layers` quality layers or all.

    A tile that the source leaves out, since it has no samples, is left out again: decoders fail on an empty one.
    `reduction` is at most the fewest levels of any component of any tile.
    """
    size = index.size
    x, y = _on_grid(size, region, reduction)
    columns, rows = _touched_tiles(size, x, y, reduction)
    cropped = rewriting.crop_size(size, columns, rows, reduction)
    crop = reduction if cropped.is_reduced else 0
    numbers = [row * size.tiles_across + column for row in range(*rows) for column in range(*columns)]
    maps = [index.tile_map(number) for number in numbers]
    wanted = [_wanted(each, (x, y), reduction, crop) for each in maps]
    most_layers = layers or max(each.style.layers for each in maps)
    stretches = [
        stretch
        for tile_map, resolutions in zip(maps, wanted, strict=True)
        for stretch in _stretches(tile_map, resolutions, most_layers)
    ]
    recipes = tuple(
        TileRecipe(
            position,
            rewriting.tile_segments(index, number, crop, layers),
            tile_map,
            tuple(_packets(tile_map, resolutions, most_layers)),
            rewriting.empty_packet(tile_map.style),
        )
        for position, (number, tile_map, resolutions) in enumerate(zip(numbers, maps, wanted, strict=True))
        if number in index.tiles
    )
    new = cropped.size
    still = reduction - crop
    return SparsePlan(
        jp2_header=index.jp2_header,
        main_header=rewriting.main_header(index, new, crop, layers),
        tiles=recipes,
        ranges=joined(stretches, gap_bytes),
        size=new,
        reduction=still,
        x=region.x + ceil_shift(new.left, still) - x[0],
        y=region.y + ceil_shift(new.top, still) - y[0],
        width=ceil_shift(new.right, still) - ceil_shift(new.left, still),
        height=ceil_shift(new.bottom, still) - ceil_shift(new.top, still),
        needed_bytes=sum(stop - start for start, stop in stretches),
    )


def kept_bytes(index: PacketIndex, region: Region, reduction: int) -> int:
    """Bytes of the packets that `plan_region` would keep, with all layers: what it costs, found out in a moment."""
    size = index.size
    x, y = _on_grid(size, region, reduction)
    columns, rows = _touched_tiles(size, x, y, reduction)
    total = 0
    for row in range(*rows):
        for column in range(*columns):
            tile_map = index.tile_map(row * size.tiles_across + column)
            layers = tile_map.style.layers
            for each in _wanted(tile_map, (x, y), reduction, 0):
                for start, stop in _precinct_rows(each):
                    total += sum(tile_map.lengths[start * layers : stop * layers])
    return total


def touched_tiles(index: PacketIndex, region: Region, reduction: int) -> int:
    """How many tiles `plan_region` would take packets from."""
    columns, rows = _touched_tiles(index.size, *_on_grid(index.size, region, reduction), reduction)
    return (columns[1] - columns[0]) * (rows[1] - rows[0])


def touched_pixels(index: PacketIndex, region: Region, reduction: int) -> int:
    """Pixels of the level that lie in the tiles that `plan_region` would take packets from."""
    size = index.size
    columns, rows = _touched_tiles(size, *_on_grid(size, region, reduction), reduction)
    width = min(size.right, size.tile_left + columns[1] * size.tile_width) - max(
        size.left, size.tile_left + columns[0] * size.tile_width
    )
    height = min(size.bottom, size.tile_top + rows[1] * size.tile_height) - max(
        size.top, size.tile_top + rows[0] * size.tile_height
    )
    return ceil_shift(width, reduction) * ceil_shift(height, reduction)


def _on_grid(size: ImageSize, region: Region, reduction: int) -> tuple[Span, Span]:
    """A region of a level on the reference grid, `reduction` resolutions left out."""
    x, y = ceil_shift(size.left, reduction) + region.x, ceil_shift(size.top, reduction) + region.y
    return (x, x + region.width), (y, y + region.height)


def _touched_tiles(size: ImageSize, x: Span, y: Span, reduction: int) -> tuple[Span, Span]:
    """Columns and rows of tiles with samples of the region; a reduced pixel belongs where its grid position does."""
    return (
        _touched(x, size.tile_left, size.tile_width, size.tiles_across, reduction),
        _touched(y, size.tile_top, size.tile_height, size.tiles_down, reduction),
    )


def _touched(span: Span, origin: int, step: int, count: int, reduction: int) -> Span:
    first = max(0, ((span[0] << reduction) - origin) // step)
    last = min(count - 1, (((span[1] - 1) << reduction) - origin) // step)
    return first, max(first, last) + 1


def _wanted(tile_map: TileMap, region: tuple[Span, Span], reduction: int, crop: int) -> list[_Wanted]:
    """Resolutions in the order in which they are written: by number, then by component."""
    by_component: dict[int, list[Resolution]] = {}
    for resolution in tile_map.tile.resolutions:
        by_component.setdefault(resolution.component, []).append(resolution)
    wanted: list[_Wanted] = []
    for component, resolutions in by_component.items():
        needed = needed_precincts(resolutions, tile_map.style.of(component), region, reduction)
        needed += [((0, 0), (0, 0))] * (reduction - crop)
        wanted += [
            _Wanted(resolution, columns, rows) for resolution, (columns, rows) in zip(resolutions, needed, strict=False)
        ]
    wanted.sort(key=lambda each: (each.resolution.number, each.resolution.component))
    return wanted


def _precinct_rows(wanted: _Wanted) -> list[tuple[int, int]]:
    """Runs of precincts that are kept, by number."""
    first, across = wanted.resolution.first, wanted.resolution.across
    if wanted.columns == (0, across):
        return [(first + wanted.rows[0] * across, first + wanted.rows[1] * across)]
    return [
        (first + row * across + wanted.columns[0], first + row * across + wanted.columns[1])
        for row in range(*wanted.rows)
    ]


def _stretches(tile_map: TileMap, wanted: Sequence[_Wanted], most_layers: int) -> list[tuple[int, int]]:
    """Where the kept packets lie in the source; one stretch for a precinct whose layers follow each other."""
    layers = tile_map.style.layers
    kept = min(layers, most_layers)
    step = kept if tile_map.has_layers_together else 1
    offsets, lengths = tile_map.offsets, tile_map.lengths
    stretches: list[tuple[int, int]] = []
    for each in wanted:
        for start, stop in _precinct_rows(each):
            for precinct in range(start * layers, stop * layers, layers):
                for first in range(precinct, precinct + kept, step):
                    last = first + step - 1
                    begin, end = offsets[first], offsets[last] + lengths[last]
                    if begin < end:
                        stretches.append((begin, end))
    stretches.sort()
    return stretches


def _packets(tile_map: TileMap, wanted: Sequence[_Wanted], most_layers: int) -> list[bytes | range]:
    """All packets of a tile in the order RLCP (T.800 B.12.1.2)."""
    packets: list[bytes | range] = []
    empty = rewriting.empty_packet(tile_map.style)
    layers = tile_map.style.layers
    at = 0
    while at < len(wanted):
        stop = at
        while stop < len(wanted) and wanted[stop].resolution.number == wanted[at].resolution.number:
            stop += 1
        for layer in range(min(layers, most_layers)):
            for each in wanted[at:stop]:
                _add_layer(packets, each, layer, layers, empty)
        at = stop
    return packets


def _add_layer(packets: list[bytes | range], wanted: _Wanted, layer: int, layers: int, empty: bytes) -> None:
    """The packets of one resolution, component and layer."""
    at = wanted.resolution.first
    end = at + wanted.resolution.count
    for start, stop in _precinct_rows(wanted):
        if start > at:
            packets.append(empty * (start - at))
        packets.append(range(start * layers + layer, stop * layers, layers))
        at = max(at, stop)
    if end > at:
        packets.append(empty * (end - at))
