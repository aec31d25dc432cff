"""Decode a region of a JPEG 2000 file at a reduced resolution into a libvips image."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyvips

from images.decoders import jp2_colour, jp2_library
from images.decoders.errors import DamagedSourceError, DecodeLimitError
from images.decoders.jp2_header import Codestream, Header, read_header
from images.decoders.plan import DecodePlan
from images.decoders.resample import Axis
from images.decoders.source import SourceData

MAX_WHOLE_PIXELS = 64_000_000
"""Of a level that can only be decoded as a whole: at three components about 1 GB."""

_STRIP_SAMPLES = 24_000_000
"""Decoded at a time; OpenJPEG keeps four bytes for each, twice for a while."""

_LEAST_STRIP_ROWS = 64

Bytes = npt.NDArray[np.uint8]

jp2_library.is_available()  # loads it now, before a decoder process shuts itself off from files


@dataclass(frozen=True, slots=True)
class _Grid:
    """The reference grid at one reduction: its level's upper left pixel and its size."""

    x: int
    y: int
    width: int
    height: int
    reduction: int


def load_region(plan: DecodePlan, source: SourceData) -> pyvips.Image:
    """The rectangle that the plan reads, 8 bits a sample, in the colours of the file.

    Raises DecodeError.
    """
    header = read_header(source)
    grid = _grid(header.codestream, plan.level.reduction)
    if (grid.width, grid.height) != (plan.level.width, plan.level.height):
        raise DamagedSourceError(
            f"The file is not what it was when it was indexed: {grid.width} × {grid.height} "
            f"pixels instead of {plan.level.width} × {plan.level.height}.",
            "changed",
        )
    raster = _decode(header, source, grid, plan.horizontal, plan.vertical)
    return jp2_colour.to_image(raster, header)


def _grid(codestream: Codestream, reduction: int) -> _Grid:
    """B.5: a resolution covers ceil(x0 / 2^d) to ceil(x1 / 2^d)."""
    x, y = _reduced(codestream.x0, reduction), _reduced(codestream.y0, reduction)
    width = _reduced(codestream.x1, reduction) - x
    height = _reduced(codestream.y1, reduction) - y
    return _Grid(x, y, width, height, reduction)


def _reduced(position: int, reduction: int) -> int:
    return -(-position >> reduction)


def _decode(header: Header, source: SourceData, grid: _Grid, horizontal: Axis, vertical: Axis) -> Bytes:
    """Strip by strip into one array, so that OpenJPEG's wide samples are never all there at once."""
    channels = jp2_colour.channels(header)
    raster = np.empty((vertical.length, horizontal.length, len(channels)), np.uint8)
    for first, last in _strips(header.codestream, grid, horizontal, vertical):
        rows = (vertical.start + first, vertical.start + last)
        columns = (horizontal.start, horizontal.start + horizontal.length)
        _decode_strip(header, source, grid, columns, rows, raster[first:last], channels)
    return raster


def _strips(codestream: Codestream, grid: _Grid, horizontal: Axis, vertical: Axis) -> Iterator[tuple[int, int]]:
    """Rows of the rectangle, cut where rows of tiles are cut if there are such rows."""
    if not codestream.has_regions:
        if grid.width * grid.height > MAX_WHOLE_PIXELS:
            raise DecodeLimitError(
                "This JPEG 2000 file can only be decoded as a whole (high throughput code-blocks or packed headers), "
                f"and has more than {MAX_WHOLE_PIXELS // 1_000_000} million pixels."
            )
        yield 0, vertical.length
        return
    samples = horizontal.length * len(codestream.components)
    height = max(_LEAST_STRIP_ROWS, _STRIP_SAMPLES // samples)
    if vertical.length <= height:
        yield 0, vertical.length
        return
    tile_rows = codestream.tile_height >> grid.reduction
    if 0 < tile_rows <= height:
        height -= height % tile_rows
    first = 0
    origin = _reduced(codestream.tile_y0, grid.reduction) - grid.y
    while first < vertical.length:
        last = vertical.start + first + height
        if 0 < tile_rows <= height:
            last -= (last - origin) % tile_rows
        last = min(max(last - vertical.start, first + 1), vertical.length)
        yield first, last
        first = last


def _decode_strip(
    header: Header,
    source: SourceData,
    grid: _Grid,
    columns: tuple[int, int],
    rows: tuple[int, int],
    target: Bytes,
    channels: tuple[jp2_colour.Channel, ...],
) -> None:
    stream = header.codestream
    area = _area(stream, grid, columns, rows) if stream.has_regions else None
    with jp2_library.decoded(source, stream.offset, stream.length, grid.reduction, area) as image:
        if image.numcomps < len(stream.components):
            raise DamagedSourceError("The file is damaged: some of its components are missing.")
        planes = {
            index: _plane(image, index, grid, columns, rows) for index in {channel.component for channel in channels}
        }
        jp2_colour.fill(target, planes, channels)


def _area(
    stream: Codestream, grid: _Grid, columns: tuple[int, int], rows: tuple[int, int]
) -> tuple[int, int, int, int]:
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
    grid: _Grid,
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
