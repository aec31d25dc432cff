"""Which requests are answered by a tile as it is stored. Pure; `plan` for answers that nothing is decoded for."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from images.decoders import resample
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.decoders.resample import Span
from images.iiif.geometry import Region, Size
from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.ranges import ByteRange
from images.indexes.tiff.index import ColourProfile, IndexedLevel, TiffIndex
from images.indexes.tiff.splice import Frame

_JPEG = 7
_BLACK_IS_ZERO, _RGB, _YCBCR = 1, 2, 6
_COMPONENTS = {_BLACK_IS_ZERO: 1, _RGB: 3, _YCBCR: 3}
"""PhotometricInterpretation, and the samples that a JPEG for browsers has then."""

_MOST_BYTES = 8 * 1024 * 1024
"""Of a piece: it is held in memory by the web process. JPEG takes less for 2,000 × 2,000 pixels at any quality."""

_MOST_PIXELS_AT_ONCE = 4_000_000
"""Of a piece that is decoded as a whole for a part of it; libvips takes larger ones line by line."""

_DEFAULT_DOTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class PassThrough:
    """One stored piece that holds the whole answer. `ranges`: the bytes of the source to read.

    `level`: its number, 0 is full; `column` and `row` are those of the piece in its level, from 0. `answer`: in pixels,
    one longer than what is shown where the level's length was rounded down: the last pixels are repeated, so the piece
    has to be decoded.
    """

    ranges: tuple[ByteRange, ...]
    level: int
    column: int
    row: int
    frame: Frame
    answer: Size
    jpeg_tables: bytes


def find_pass_through(index: TiffIndex, description: SourceDescription, request: RenderRequest) -> PassThrough | None:
    """The piece that holds all the pixels that would be decoded and encoded for the request, if there is one.

    Only sizes on the grid of a stored level come into question, so this agrees with `plan`, which then copies.
    """
    found = find_level(index, description, request)
    if found is None:
        return None
    number, step = found
    level = index.levels[number]
    if not _is_servable(level, request):
        return None
    return _find_piece(level, number, request.region.x // step, request.region.y // step, request)


def find_level(index: TiffIndex, description: SourceDescription, request: RenderRequest) -> tuple[int, int] | None:
    """The number and the scale factor of the level that holds the very pixels of the answer; None where none does.

    Only for JPEG.
    """
    if not _leaves_pixels_alone(description, request):
        return None
    region, size = request.region, request.size
    spans = (
        Span(region.x, region.width, description.width, size.width),
        Span(region.y, region.height, description.height, size.height),
    )
    step = resample.grid_step(spans)
    number = None if step is None else _level_of_step(_sizes(description, index), step)
    return None if step is None or number is None else (number, step)


def _leaves_pixels_alone(description: SourceDescription, request: RenderRequest) -> bool:
    return (
        request.format == "jpg"
        and request.quality == "default"
        and request.degrees == "0"
        and not request.mirrored
        and description.orientation == 1
        and not description.has_alpha
    )


def _sizes(description: SourceDescription, index: TiffIndex) -> tuple[tuple[int, int], ...]:
    """Of the full image as described, then of its smaller versions."""
    return ((description.width, description.height), *((level.width, level.height) for level in index.levels[1:]))


@lru_cache(maxsize=4096)
def _level_of_step(sizes: tuple[tuple[int, int], ...], step: int) -> int | None:
    """The level that `plan` chooses for this scale factor, if that leaves nothing to scale; as `level_scale` has it."""
    width, height = sizes[0]
    best, best_scales = 0, (Fraction(1), Fraction(1))
    for number, (level_width, level_height) in enumerate(sizes):
        scales = resample.level_scale(width, level_width), resample.level_scale(height, level_height)
        best_width, best_height = sizes[best]
        if min(scales) * step >= 1 and level_width * level_height < best_width * best_height:
            best, best_scales = number, scales
    return best if best_scales == (Fraction(1, step), Fraction(1, step)) else None


def _is_servable(level: IndexedLevel, request: RenderRequest) -> bool:
    """Whether a JPEG of the level's pieces means the same to a browser as the level does to a decoder."""
    is_srgb = level.colour_profile is ColourProfile.SRGB and level.photometric != _BLACK_IS_ZERO
    has_right_colours = level.colour_profile is ColourProfile.NONE or (is_srgb and request.options.icc == "srgb")
    has_place_for_density = level.photometric != _RGB or request.options.dots_per_inch is None
    return (
        level.compression == _JPEG
        and _COMPONENTS.get(level.photometric) == level.samples_per_pixel
        and level.bits_per_sample == 8
        and (level.is_contiguous or level.samples_per_pixel == 1)
        and has_right_colours
        and has_place_for_density
    )


def _find_piece(level: IndexedLevel, number: int, x: int, y: int, request: RenderRequest) -> PassThrough | None:
    """The piece that begins at `x` and `y`, in pixels of the level, if it ends where the request does."""
    column, off_x = divmod(x, level.piece_width)
    row, off_y = divmod(y, level.piece_height)
    shown = Size(min(level.piece_width, level.width - x), min(level.piece_height, level.height - y))
    if off_x or off_y or shown_of_tile(level, x, y, request.size) != shown:
        return None
    found = level.piece_range(column, row)
    if found is None or found.length > _MOST_BYTES:
        return None
    stored = Size(level.piece_width, level.piece_height) if level.is_tiled else shown
    if shown != request.size and _needs_libvips(stored, request):
        return None  # `plan_cut` would not lengthen it
    dots_per_inch = request.options.dots_per_inch or _DEFAULT_DOTS_PER_INCH
    frame = Frame(stored, shown, level.samples_per_pixel, level.photometric == _RGB, dots_per_inch)
    return PassThrough((found,), number, column, row, frame, request.size, level.jpeg_tables)


def shown_of_tile(level: IndexedLevel, x: int, y: int, size: Size) -> Size | None:
    """What the piece at `x` and `y`, in pixels of the level, holds of an answer of `size` on the level's grid.

    All of it, but for the last column or row where the level's length was rounded down: there the answer repeats the
    last one (see `resample`). None where the answer has pixels of other pieces.
    """
    width = _shown_length(level.width - x, level.piece_width - x % level.piece_width, size.width)
    height = _shown_length(level.height - y, level.piece_height - y % level.piece_height, size.height)
    return Size(width, height) if width and height else None


def _shown_length(to_level_end: int, to_piece_end: int, length: int) -> int:
    """Along one axis; 0 where that is not all."""
    shown = min(to_level_end, length)
    return shown if 0 < shown <= to_piece_end and length - shown <= 1 else 0


def _needs_libvips(stored: Size, request: RenderRequest) -> bool:
    return request.options.jpeg_progressive or stored.area > _MOST_PIXELS_AT_ONCE


def plan_cut(found: PassThrough, request: RenderRequest) -> dict[str, Any]:
    """The job for what is shown of a stored piece, where that is all of the source: a JPEG file of its own.

    libtiff decodes each piece by itself and so with the same result, but opens the whole source for it. Raises
    DecodeError.
    """
    stored, shown, options = found.frame.stored, found.frame.shown, request.options
    if _needs_libvips(stored, request):
        return {"kind": "render", "plan": _plan_cut(found, request).to_json()}
    return {
        "kind": "cut",
        "stored": [stored.width, stored.height, found.frame.components],
        "cut": [shown.width, shown.height],
        "answer": [found.answer.width, found.answer.height],
        "options": {"jpeg_quality": options.jpeg_quality, "dots_per_inch": options.dots_per_inch},
    }


def _plan_cut(found: PassThrough, request: RenderRequest) -> DecodePlan:
    stored, shown = found.frame.stored, found.frame.shown
    level = Level(stored.width, stored.height)
    colour = "gray" if found.frame.components == 1 else "rgb"
    piece = SourceDescription(
        SourceFormat.JPEG, stored.width, stored.height, (level,), bands=found.frame.components, colour=colour
    )
    return plan(piece, replace(request, region=Region(0, 0, shown.width, shown.height), size=shown))
