"""From an index and a region to the bytes to read and the codestream to build of them: only the packets needed.

The new codestream holds the tiles that the region touches, at the resolution asked for; packets of other precincts are
written as empty ones (T.800 B.9). Nothing that is kept moves on the reference grid, so the samples come out the same.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from images.iiif.geometry import Region
from images.indexes.jp2 import rewriting
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.markers import ImageSize
from images.indexes.jp2.packet_index import PacketIndex, TileMap
from images.indexes.jp2.precincts import Resolution, Span, needed_precincts
from images.indexes.ranges import ByteRange

DISK_GAP_BYTES = 16 * 1024
"""Bytes between two needed stretches that are rather read than stepped over: one read of a file costs about as much."""
REMOTE_GAP_BYTES = 64 * 1024
"""The same for objects that are fetched over a network, where each range is a request."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `stop` of chunk `chunk`. `header`: packed bytes that go before. `is_packet`: just one packet."""

    chunk: int
    start: int
    stop: int
    header: bytes = b""


@dataclass(frozen=True, slots=True)
class TileRecipe:
    """A tile-part to build: its number, the segments of its header, and its packets, literal or from chunks.

    `strips_sop`: each piece is one packet, which may begin with an SOP segment that is left out.
    """

    number: int
    header: bytes
    packets: tuple[bytes | Piece, ...]
    strips_sop: bool


@dataclass(frozen=True, slots=True)
class SparsePlan:
    """What to read and what to make of it.

    `ranges`: in ascending order, of the source. `size`: SIZ of the new codestream. `reduction`: resolutions that the
    decoder has still to leave out. `x`, `y`: where the new image begins in the level that was asked for, `width` and
    `height` what it has of it; pixels. `kept_bytes`: of the packets that are kept.
    """

    jp2_header: bytes
    main_header: bytes
    tiles: tuple[TileRecipe, ...]
    ranges: tuple[ByteRange, ...]
    size: ImageSize
    reduction: int
    x: int
    y: int
    width: int
    height: int
    kept_bytes: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A resolution that is written, with the columns and rows of precincts that are kept of it."""

    resolution: Resolution
    columns: Span
    rows: Span


_Kept = list[tuple[int, int]]


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
    source = _Ranges(gap_bytes)
    for tile_map, resolutions in zip(maps, wanted, strict=True):
        source.add_all(tile_map, resolutions, most_layers)
    ranges = source.finish()
    recipes = tuple(
        TileRecipe(
            position,
            rewriting.tile_segments(index, number, crop, layers),
            tuple(_packets(tile_map, resolutions, most_layers, source)),
            tile_map.style.has_sop,
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
        ranges=ranges,
        size=new,
        reduction=still,
        x=region.x + ceil_shift(new.left, still) - x[0],
        y=region.y + ceil_shift(new.top, still) - y[0],
        width=ceil_shift(new.right, still) - ceil_shift(new.left, still),
        height=ceil_shift(new.bottom, still) - ceil_shift(new.top, still),
        kept_bytes=source.kept_bytes,
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


class _Ranges:
    """Collects the stretches that are needed and joins those that lie close to each other."""

    def __init__(self, gap_bytes: int) -> None:
        self._gap_bytes = gap_bytes
        self._stretches: _Kept = []
        self._starts: list[int] = []
        self._ranges: tuple[ByteRange, ...] = ()
        self.kept_bytes = 0

    def add_all(self, tile_map: TileMap, wanted: Sequence[_Wanted], most_layers: int) -> None:
        layers = tile_map.style.layers
        kept_layers = min(layers, most_layers)
        offsets, lengths = tile_map.offsets, tile_map.lengths
        for each in wanted:
            for start, stop in _precinct_rows(each):
                for precinct in range(start, stop):
                    for packet in range(precinct * layers, precinct * layers + kept_layers):
                        if lengths[packet]:
                            self._stretches.append((offsets[packet], offsets[packet] + lengths[packet]))

    def finish(self) -> tuple[ByteRange, ...]:
        """Ranges in ascending order."""
        self._stretches.sort()
        joined: list[list[int]] = []
        for start, stop in self._stretches:
            self.kept_bytes += stop - start
            if joined and start - joined[-1][1] <= self._gap_bytes:
                joined[-1][1] = max(joined[-1][1], stop)
            else:
                joined.append([start, stop])
        self._starts = [start for start, _ in joined]
        self._ranges = tuple(ByteRange(start, stop) for start, stop in joined)
        return self._ranges

    def piece(self, start: int, stop: int, header: bytes = b"") -> Piece:
        """Where bytes of the source are among the chunks."""
        chunk = bisect_right(self._starts, start) - 1
        base = self._starts[chunk]
        return Piece(chunk, start - base, stop - base, header)


def _packets(tile_map: TileMap, wanted: Sequence[_Wanted], most_layers: int, source: _Ranges) -> list[bytes | Piece]:
    """All packets of a tile in the order RLCP (T.800 B.12.1.2)."""
    pieces: list[bytes | Piece] = []
    empty = rewriting.empty_packet(tile_map.style)
    kept_layers = min(tile_map.style.layers, most_layers)
    at = 0
    while at < len(wanted):
        stop = at
        while stop < len(wanted) and wanted[stop].resolution.number == wanted[at].resolution.number:
            stop += 1
        for layer in range(kept_layers):
            for each in wanted[at:stop]:
                _add_layer(pieces, tile_map, each, layer, empty, source)
        at = stop
    return pieces


def _add_layer(
    pieces: list[bytes | Piece], tile_map: TileMap, wanted: _Wanted, layer: int, empty: bytes, source: _Ranges
) -> None:
    """The packets of one resolution, component and layer."""
    first, layers = wanted.resolution.first, tile_map.style.layers
    at = first
    for start, stop in _precinct_rows(wanted):
        if start > at:
            pieces.append(empty * (start - at))
        kept = range(start * layers + layer, stop * layers, layers)
        pieces += [_piece(tile_map, packet, empty, source) for packet in kept]
        at = max(at, stop)
    if first + wanted.resolution.count > at:
        pieces.append(empty * (first + wanted.resolution.count - at))


def _piece(tile_map: TileMap, packet: int, empty: bytes, source: _Ranges) -> bytes | Piece:
    length = tile_map.lengths[packet]
    header = tile_map.headers[packet] if tile_map.headers is not None else b""
    if not length:
        return header or empty
    offset = tile_map.offsets[packet]
    return source.piece(offset, offset + length, header)
