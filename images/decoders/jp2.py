"""Decode a region of a JPEG 2000 file at a reduced resolution into a libvips image."""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyvips

from images.decoders import jp2_colour, jp2_library
from images.decoders.cuts import Span, TileGrid, blocks_of, strips_of
from images.decoders.errors import DamagedSourceError, DecodeLimitError
from images.decoders.estimate import MAX_WHOLE_PIXELS
from images.decoders.jp2_header import Codestream, Header, read_header
from images.decoders.plan import DecodePlan
from images.decoders.resample import Axis
from images.decoders.source import SourceData
from images.iiif.geometry import Region
from images.indexes.description import Level

Bytes = npt.NDArray[np.uint8]

jp2_library.is_available()  # loads it now, before a decoder process shuts itself off from files


@dataclass(frozen=True, slots=True)
class Grid:
    """The reference grid at one reduction: its level's upper left pixel and its size."""

    x: int
    y: int
    width: int
    height: int
    reduction: int


def load_region(plan: DecodePlan, source: SourceData) -> pyvips.Image:
    """The rectangle that the plan reads, decoded at once; 8 bits a sample, in the colours of the file.

    Raises DecodeError.
    """
    return jp2_colour.to_image(*load_pixels(plan, source))


def load_pixels(plan: DecodePlan, source: SourceData) -> tuple[Bytes, Header]:
    """The same before its colours are looked at: rows × columns × channels, and what the file says of them."""
    header = read_header(source)
    grid = level_grid(header, plan.level)
    check_whole(header, grid)
    columns, rows = _span(plan.horizontal), _span(plan.vertical)
    raster = _empty_raster(header, columns, rows)
    decode_into(header, source, grid, columns, rows, raster, plan.layers)
    return raster, header


def _span(axis: Axis) -> Span:
    return axis.start, axis.start + axis.length


def load_areas(plan: DecodePlan, source: SourceData, cuts: Sequence[Region]) -> Iterator[tuple[Region, pyvips.Image]]:
    """Areas of the rectangle that the plan reads, in pixels of it, until all `cuts` were in one, the first one first.

    Together they take little more time than the rectangle. Where no areas can be decoded, the rectangle alone. Raises
    DecodeError.
    """
    header = read_header(source)
    grid = level_grid(header, plan.level)
    stream = header.codestream
    tiles = tile_grid(header, grid)
    if tiles is not None or not stream.has_regions:
        for area in _separate_areas(plan, cuts, tiles if stream.has_regions else None):
            columns, rows = _within(plan, area)
            raster = _empty_raster(header, columns, rows)
            decode_into(header, source, grid, columns, rows, raster, plan.layers)
            yield area, jp2_colour.to_image(raster, header)
        return
    channels = jp2_colour.channels(header)
    with jp2_library.opened(source, stream.offset, stream.length, grid.reduction, plan.layers) as codestream:
        for area in strips_of(cuts):
            columns, rows = _within(plan, area)
            raster = _empty_raster(header, columns, rows)
            decode_more(codestream, header, grid, columns, rows, raster, channels)
            yield area, jp2_colour.to_image(raster, header)


def _separate_areas(plan: DecodePlan, cuts: Sequence[Region], tiles: TileGrid | None) -> list[Region]:
    """Of a codestream in tiles, which have nothing in common; the whole rectangle where nothing else can be decoded."""
    if tiles is None:
        return [Region(0, 0, plan.horizontal.length, plan.vertical.length)]
    return blocks_of(cuts, tiles, plan.horizontal.start, plan.vertical.start)


def _within(plan: DecodePlan, area: Region) -> tuple[Span, Span]:
    """Columns and rows of the level."""
    left, top = plan.horizontal.start + area.x, plan.vertical.start + area.y
    return (left, left + area.width), (top, top + area.height)


def _empty_raster(header: Header, columns: Span, rows: Span) -> Bytes:
    return np.empty((rows[1] - rows[0], columns[1] - columns[0], len(jp2_colour.channels(header))), np.uint8)


def level_grid(header: Header, level: Level) -> Grid:
    """Where the level is, if it is as large as it was said to be. Raises DamagedSourceError."""
    grid = _grid(header.codestream, level.reduction)
    if (grid.width, grid.height) != (level.width, level.height):
        raise DamagedSourceError(
            f"The file is not what it was when it was indexed: {grid.width} × {grid.height} "
            f"pixels instead of {level.width} × {level.height}.",
            "changed",
        )
    return grid


def _grid(codestream: Codestream, reduction: int) -> Grid:
    """B.5: a resolution covers ceil(x0 / 2^d) to ceil(x1 / 2^d)."""
    x, y = _reduced(codestream.x0, reduction), _reduced(codestream.y0, reduction)
    width = _reduced(codestream.x1, reduction) - x
    height = _reduced(codestream.y1, reduction) - y
    return Grid(x, y, width, height, reduction)


def _reduced(position: int, reduction: int) -> int:
    return -(-position >> reduction)


def check_whole(header: Header, grid: Grid) -> None:
    """Raises DecodeLimitError for a level that is too large to be decoded in the only way in which it can be."""
    if not header.codestream.has_regions and grid.width * grid.height > MAX_WHOLE_PIXELS:
        raise DecodeLimitError(
            "This JPEG 2000 file can only be decoded as a whole (high throughput code-blocks or packed headers), "
            f"and has more than {MAX_WHOLE_PIXELS // 1_000_000} million pixels."
        )


def tile_grid(header: Header, grid: Grid) -> TileGrid | None:
    """The tiles of the level, if there are several."""
    stream = header.codestream
    if stream.is_one_tile:
        return None
    return TileGrid(
        _reduced(stream.tile_x0, grid.reduction) - grid.x,
        _reduced(stream.tile_y0, grid.reduction) - grid.y,
        stream.tile_width >> grid.reduction,
        stream.tile_height >> grid.reduction,
    )


def decode_into(
    header: Header,
    source: SourceData,
    grid: Grid,
    columns: tuple[int, int],
    rows: tuple[int, int],
    target: Bytes,
    layers: int | None,
) -> None:
    stream = header.codestream
    wanted = _area(stream, grid, columns, rows) if stream.has_regions else None
    with jp2_library.decoded(source, stream.offset, stream.length, grid.reduction, wanted, layers) as image:
        _fill(image, header, grid, columns, rows, target, jp2_colour.channels(header))


def decode_more(
    codestream: jp2_library.Codestream,
    header: Header,
    grid: Grid,
    columns: Span,
    rows: Span,
    target: Bytes,
    channels: tuple[jp2_colour.Channel, ...],
) -> None:
    """One of several rectangles of a codestream that is one tile."""
    image = codestream.decode(_area(header.codestream, grid, columns, rows))
    _fill(image, header, grid, columns, rows, target, channels)


def _fill(
    image: jp2_library.Image,
    header: Header,
    grid: Grid,
    columns: tuple[int, int],
    rows: tuple[int, int],
    target: Bytes,
    channels: tuple[jp2_colour.Channel, ...],
) -> None:
    if image.numcomps < len(header.codestream.components):
        raise DamagedSourceError("The file is damaged: some of its components are missing.")
    planes = {index: _plane(image, index, grid, columns, rows) for index in {channel.component for channel in channels}}
    jp2_colour.fill(target, planes, channels)


def _area(stream: Codestream, grid: Grid, columns: tuple[int, int], rows: tuple[int, int]) -> tuple[int, int, int, int]:
    """Reference grid, and one sample more on each side where components are subsampled."""
    dx = max(component.dx for component in stream.components)
    dy = max(component.dy for component in stream.components)
    left = grid.x + columns[0] - (dx if dx > 1 else 0)
    right = grid.x + columns[1] + (dx if dx > 1 else 0)
    top = grid.y + rows[0] - (dy if dy > 1 else 0)
    bottom = grid.y + rows[1] + (dy if dy > 1 else 0)
    return (
        max(stream.x0, left << grid.reduction),
        max(stream.y0, top << grid.reduction),
        min(stream.x1, right << grid.reduction),
        min(stream.y1, bottom << grid.reduction),
    )


def _plane(
    image: jp2_library.Image,
    index: int,
    grid: Grid,
    columns: tuple[int, int],
    rows: tuple[int, int],
) -> npt.NDArray[np.int32]:
    """The rectangle of one component; a sample of a coarser one stands for all its pixels."""
    component = image.comps[index]
    if not component.data or not component.w or not component.h:
        raise DamagedSourceError("The file is damaged: one of its components holds no samples.")
    address = ctypes.addressof(component.data.contents)
    count = component.w * component.h
    samples = np.frombuffer((ctypes.c_int32 * count).from_address(address), np.int32)
    plane = samples.reshape(component.h, component.w)
    across = _positions(columns, grid.x, component.dx, component.x0, component.factor, component.w)
    down = _positions(rows, grid.y, component.dy, component.y0, component.factor, component.h)
    plane = plane[down] if isinstance(down, slice) else plane[down, :]
    return plane[:, across]


def _positions(
    pixels: tuple[int, int], grid_start: int, step: int, first: int, reduction: int, length: int
) -> slice | npt.NDArray[np.intp]:
    """Where in a plane the samples of these level pixels are.

    `first`: of the plane, in full resolution samples of its component (opj_image_comp_t x0).
    """
    begin = _reduced(first, reduction)
    if step == 1:
        start = grid_start + pixels[0] - begin
        if start < 0 or start + pixels[1] - pixels[0] > length:
            raise DamagedSourceError("The file is damaged: a component is smaller than the image.")
        return slice(start, start + pixels[1] - pixels[0])
    wanted = (np.arange(pixels[0], pixels[1]) + grid_start) // step - begin
    return np.clip(wanted, 0, length - 1)
