"""Decode a large region of a JPEG 2000 file strip by strip, while its pixels are being used."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyvips

from images.decoders import jp2, jp2_colour, jp2_library
from images.decoders.cuts import Cuts, Piece, Span, at_once, cut_rows
from images.decoders.errors import DamagedSourceError
from images.decoders.jp2_header import Header, read_header
from images.decoders.parts import Part, Parts
from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.decoders.strips import strip_image
from images.decoders.tiff_layout import TiffLayout
from images.indexes.description import Level

Bytes = npt.NDArray[np.uint8]


@contextmanager
def opened_region(plan: DecodePlan, source: SourceData) -> Iterator[pyvips.Image]:
    """The rectangle that the plan reads, 8 bits a sample, in the colours of the file; to be read from the top if large.

    Raises DecodeError, also while the context lasts.
    """
    if source.parts is not None:
        with _from_parts(plan, source.parts) as image:
            yield image
        return
    header = read_header(source)
    grid = jp2.level_grid(header, plan.level)
    stream = header.codestream
    tiles = jp2.tile_grid(header, grid)
    samples = len(stream.components)
    area = grid.width * grid.height if tiles is None else tiles.width * tiles.height
    cuts = cut_rows(plan.horizontal, plan.vertical, samples, tiles, at_once(samples * area))
    if len(cuts) == 1 or not stream.has_regions:
        yield jp2.load_region(plan, source)
        return
    decode = _strips_of_one_tile if stream.is_one_tile else _strips_of_tiles
    with strip_image(_layout(plan, header), decode(plan, source, header, grid, cuts)) as image:
        yield jp2_colour.named(image, header)


def _layout(plan: DecodePlan, header: Header) -> TiffLayout:
    count = jp2_colour.colour_count(header)
    return TiffLayout(
        plan.horizontal.length, plan.vertical.length, len(jp2_colour.channels(header)), is_cmyk=count == 4
    )


def _raster(plan: DecodePlan, cuts: Cuts, bands: int) -> Bytes:
    """Room for the highest strip; there is never more than one."""
    height = max(stop - start for start, stop in zip(cuts.rows, cuts.rows[1:], strict=False))
    return np.empty((height, plan.horizontal.length, bands), np.uint8)


def _strips_of_tiles(
    plan: DecodePlan, source: SourceData, header: Header, grid: jp2.Grid, cuts: Cuts
) -> Iterator[Bytes]:
    raster = _raster(plan, cuts, len(jp2_colour.channels(header)))
    for number in range(len(cuts)):
        columns, rows = _of_level(plan, cuts.piece(number))
        strip = raster[: rows[1] - rows[0]]
        jp2.decode_into(header, source, grid, columns, rows, strip, plan.layers)
        jp2_colour.convert(strip, header)
        yield strip


def _strips_of_one_tile(
    plan: DecodePlan, source: SourceData, header: Header, grid: jp2.Grid, cuts: Cuts
) -> Iterator[Bytes]:
    """By one codec, which reads the codestream once and keeps its packets."""
    channels = jp2_colour.channels(header)
    raster = _raster(plan, cuts, len(channels))
    stream = header.codestream
    with jp2_library.opened(source, stream.offset, stream.length, grid.reduction, plan.layers) as codestream:
        for number in range(len(cuts)):
            columns, rows = _of_level(plan, cuts.piece(number))
            strip = raster[: rows[1] - rows[0]]
            jp2.decode_more(codestream, header, grid, columns, rows, strip, channels)
            jp2_colour.convert(strip, header)
            yield strip


def _of_level(plan: DecodePlan, piece: Piece) -> tuple[Span, Span]:
    x, y = plan.horizontal.start, plan.vertical.start
    return (x + piece.columns[0], x + piece.columns[1]), (y + piece.rows[0], y + piece.rows[1])


@contextmanager
def _from_parts(plan: DecodePlan, parts: Parts) -> Iterator[pyvips.Image]:
    first = parts.get(0)
    header = read_header(SourceData(data=first.data))
    with strip_image(_layout(plan, header), _strips_of_parts(plan, parts, first)) as image:
        del first
        yield jp2_colour.named(image, header)


def _strips_of_parts(plan: DecodePlan, parts: Parts, first: Part) -> Iterator[Bytes]:
    header = read_header(SourceData(data=first.data))
    bands = len(jp2_colour.channels(header))
    raster = _raster(plan, parts.cuts, bands)
    part: Part | None = first
    del first
    for row in range(parts.cuts.strips):
        strip = raster[: parts.cuts.rows[row + 1] - parts.cuts.rows[row]]
        for number, piece in parts.cuts.strip(row):
            _decode_part(part or parts.get(number), piece, strip[:, slice(*piece.columns)], plan.layers)
            part = None
        jp2_colour.convert(strip, header)
        yield strip


def _decode_part(part: Part, piece: Piece, target: Bytes, layers: int | None) -> None:
    source = SourceData(data=part.data)
    header = read_header(source)
    if len(jp2_colour.channels(header)) != target.shape[2]:
        raise DamagedSourceError("The file is damaged: its parts have other colours.")
    grid = jp2.level_grid(header, Level(part.width, part.height, reduction=part.reduction))
    columns = (part.x, part.x + piece.columns[1] - piece.columns[0])
    rows = (part.y, part.y + piece.rows[1] - piece.rows[0])
    jp2.decode_into(header, source, grid, columns, rows, target, layers)
