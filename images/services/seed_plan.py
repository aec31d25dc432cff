"""What a seeding makes, and in which decodes: each level in a few bands, so that no pixel is decoded twice.

A band is a rectangle of tiles that are cut from one raster. Where a source can be read in part, its levels are cut into
bands of some rows, which bounds the memory and keeps all decoders busy; where it can only be read from the top, a
level is one band as long as memory allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from images.conf import conf
from images.decoders import resample
from images.decoders.errors import DecodeLimitError
from images.decoders.estimate import decodes_whole
from images.decoders.plan import DecodePlan
from images.decoders.resample import Span
from images.iiif.geometry import Region, Size
from images.iiif.request import ResolvedRequest
from images.iiif.tiles import reduced_size
from images.indexes.description import SourceDescription, SourceFormat
from images.selectors.images import ServedImage
from images.services.planning import is_thumbnail, render_plan

_BAND_PIXELS = 16_000_000
"""Of the answer, where sources are read in part: 48 MB, and some seconds of work for the slowest of them. Half of it
costs an untiled JPEG 2000 file a fifth more, since each band decodes a margin."""

_RASTER_BYTES = 4
"""A pixel of the raster that tiles are cut from, alpha included."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A tile, or a whole level: `request` is what a viewer will ask for, `step` its scale factor."""

    step: int
    request: ResolvedRequest


@dataclass(frozen=True, slots=True)
class Band:
    """Pieces of one scale factor that are cut from the answer to `window`, and the plan of that decode."""

    window: ResolvedRequest
    planned: DecodePlan
    pieces: tuple[Piece, ...]

    def cuts(self) -> list[Region]:
        """Where each piece lies, in pixels of the answer."""
        return [_cut(piece, self.window.region) for piece in self.pieces]


def plan_bands(served: ServedImage, pieces: Sequence[Piece], workers: int) -> tuple[list[Band], list[Piece]]:
    """The bands in which the pieces are made, largest first, and those that the server would not scale on this grid.

    These have to be made one by one, as it would. Raises DecodeError.
    """
    bands: list[Band] = []
    alone = [piece for piece in pieces if not _is_cut(piece, served)]
    together = sorted((piece for piece in pieces if _is_cut(piece, served)), key=_step)
    for _, level in groupby(together, key=_step):
        for band in _bands_of_level(served, list(level), workers):
            if resample.is_seamless(band.planned.horizontal) and resample.is_seamless(band.planned.vertical):
                bands.append(band)
            else:
                alone += band.pieces
    bands.sort(key=lambda band: -band.planned.pixels)
    return bands, alone


def reads_in_part(description: SourceDescription) -> bool:
    """Whether a region costs what it is worth, wherever it lies."""
    if description.source_format is SourceFormat.JP2:
        return not decodes_whole(description)
    return description.source_format is SourceFormat.TIFF and bool(description.levels[0].tile_width)


def _is_cut(piece: Piece, served: ServedImage) -> bool:
    return _is_on_grid(piece, served) and not is_thumbnail(served, piece.request)


def _is_on_grid(piece: Piece, served: ServedImage) -> bool:
    """The last few pixels of an image may be taken for a tile of a smaller scale factor."""
    region, size = piece.request.region, piece.request.size
    spans = (
        Span(region.x, region.width, served.full.width, size.width),
        Span(region.y, region.height, served.full.height, size.height),
    )
    return resample.grid_step(spans) == piece.step


def _step(piece: Piece) -> int:
    return piece.step


def _bands_of_level(served: ServedImage, level: list[Piece], workers: int) -> list[Band]:
    """The level as a whole, where it is wanted beside its tiles, is cut from their raster if that is one."""
    full = Region(0, 0, served.full.width, served.full.height)
    wholes = [piece for piece in level if piece.request.region == full]
    tiles = [piece for piece in level if piece.request.region != full]
    bands = [
        band
        for rectangle in _rectangles(tiles)
        for band in _split(served, rectangle, _rows_of_band(served, rectangle, workers))
    ]
    if wholes and len(bands) == 1 and bands[0].window.region == full:
        return [replace(bands[0], pieces=(*bands[0].pieces, *wholes))]
    return [*bands, *(_band(served, [whole]) for whole in wholes)]


def _rectangles(level: list[Piece]) -> Iterator[list[list[Piece]]]:
    """Rows of pieces, cut where the columns that are wanted change."""
    rows = [list(row) for _, row in groupby(sorted(level, key=_place), key=lambda piece: piece.request.region.y)]
    for _, rectangle in groupby(rows, key=_extent):
        yield list(rectangle)


def _place(piece: Piece) -> tuple[int, int]:
    return piece.request.region.y, piece.request.region.x


def _extent(row: list[Piece]) -> tuple[int, int]:
    regions = [piece.request.region for piece in row]
    return regions[0].x, max(region.x + region.width for region in regions)


def _rows_of_band(served: ServedImage, rows: list[list[Piece]], workers: int) -> int:
    if not reads_in_part(served.description):
        return len(rows)
    first, step = rows[0][0].request.region, rows[0][0].step
    height = max(1, first.height // step)
    width = max(1, (_extent(rows[0])[1] - first.x) // step)
    fair = -(-len(rows) // workers)
    return max(1, min(fair, _BAND_PIXELS // (width * height)))


def _split(served: ServedImage, rows: list[list[Piece]], count: int) -> Iterator[Band]:
    """Bands of `count` rows, or of fewer where they would need too much memory. Raises DecodeError for one row."""
    for first in range(0, len(rows), count):
        part = rows[first : first + count]
        try:
            yield _band(served, [piece for row in part for piece in row])
        except DecodeLimitError:
            if len(part) == 1:
                raise
            yield from _split(served, part, len(part) // 2)


def _band(served: ServedImage, pieces: list[Piece]) -> Band:
    """Raises DecodeLimitError."""
    regions = [piece.request.region for piece in pieces]
    left, top = min(region.x for region in regions), min(region.y for region in regions)
    right = max(region.x + region.width for region in regions)
    bottom = max(region.y + region.height for region in regions)
    region = Region(left, top, right - left, bottom - top)
    window = replace(pieces[0].request, region=region, size=reduced_size(region.size, pieces[0].step))
    planned = render_plan(served, window)
    raster = window.size.area * _RASTER_BYTES
    if planned.memory_bytes + raster > conf.decode_memory_limit_bytes:
        raise DecodeLimitError("The tiles of one row would need more memory than is allowed.", "out_of_memory")
    return Band(window, planned, tuple(pieces))


def _cut(piece: Piece, within: Region) -> Region:
    region, size = piece.request.region, piece.request.size
    return Region((region.x - within.x) // piece.step, (region.y - within.y) // piece.step, size.width, size.height)


def level_pieces(step: int, template: ResolvedRequest, regions: Iterator[tuple[Region, Size]]) -> Iterator[Piece]:
    """The pieces of one level, each a request like `template`."""
    for region, size in regions:
        yield Piece(step, replace(template, region=region, size=size))
