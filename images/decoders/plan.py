"""From a request and the description of a source to what must be decoded. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from images.decoders import orientation, resample
from images.decoders.errors import DecodeLimitError
from images.decoders.render import RenderRequest
from images.decoders.resample import Axis, Span
from images.iiif.geometry import Size
from images.indexes.description import Level, SourceDescription, SourceFormat

_SHRINKS = {SourceFormat.JPEG: (2, 4, 8), SourceFormat.WEBP: (2, 4, 8)}
"""Scale factors that a decoder applies while it decodes."""

_LONGEST_SIDE = {"jpg": 65_500, "pdf": 65_500, "webp": 16_383, "avif": 16_384, "gif": 65_535}
"""Pixels, set by the output formats."""

_STREAMED = {"jpg", "png"}
_STREAMED_FROM_PIXELS = 4_000_000
_DEAR_FROM_PIXELS = 4_000_000
_DEAR_FROM_DECODED_PIXELS = 16_000_000  # a tile of a photograph without tiles is an everyday request
_DEAR_FROM_OUTPUT_PIXELS = {"avif": 1_000_000}
_PROCESS_BYTES = 48_000_000
"""What a decoder process takes before it has decoded anything, roughly."""

_ROWS_HELD = 512
"""Rows that libvips keeps of an image as it passes through."""

_STRIP_SAMPLES = 24_000_000
"""As `jp2` decodes at a time."""

_BLENDED_BYTES = 200_000_000
"""At most, while transparent pixels pass through in floating point."""


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """Everything a decoder needs to know; a value that travels as JSON.

    `level`: the stored resolution to open, with `width` and `height` after `shrink`, the factor
    that the decoder applies as it reads. `horizontal` and `vertical`: along the stored axes.
    `pixels`: pixels that will be decoded. `memory_bytes`: estimate of the peak. `is_dear`: belongs
    into the slow lane. `streams`: the first bytes leave before the last pixel is encoded.
    """

    source_format: SourceFormat
    level: Level
    shrink: int
    orientation: int
    has_alpha: bool
    horizontal: Axis
    vertical: Axis
    request: RenderRequest
    pixels: int
    memory_bytes: int
    is_dear: bool
    streams: bool

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        for name in ("horizontal", "vertical"):
            values[name]["ratio"] = str(values[name]["ratio"])
            values[name]["offset"] = str(values[name]["offset"])
        return values

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DecodePlan":
        values = dict(data)
        values["source_format"] = SourceFormat(values["source_format"])
        values["level"] = Level(**values["level"])
        values["horizontal"] = _axis_from_json(values["horizontal"])
        values["vertical"] = _axis_from_json(values["vertical"])
        values["request"] = RenderRequest.from_json(values["request"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A level as it will be decoded; sizes after `shrink`."""

    level: Level
    shrink: int

    @property
    def size(self) -> Size:
        return Size(self.level.width, self.level.height)


def plan(description: SourceDescription, request: RenderRequest) -> DecodePlan:
    """Choose the stored level, the rectangle of it to decode, and the scale that remains.

    Raises DecodeLimitError where the output format cannot hold the size that was asked for.
    """
    _check_output(request)
    x_span, y_span = _stored_spans(description, request)
    step = resample.grid_step((x_span, y_span))
    chosen = _smallest_sufficient(description, x_span, y_span, step)
    horizontal = resample.plan_axis(x_span, chosen.level.width, step)
    vertical = resample.plan_axis(y_span, chosen.level.height, step)
    flip_x, flip_y = orientation.flips(description.orientation)
    if flip_x:
        horizontal = horizontal.flipped(chosen.level.width)
    if flip_y:
        vertical = vertical.flipped(chosen.level.height)
    pixels = _decoded_pixels(description, chosen, horizontal, vertical)
    return DecodePlan(
        source_format=description.source_format,
        level=chosen.level,
        shrink=chosen.shrink,
        orientation=description.orientation,
        has_alpha=description.has_alpha,
        horizontal=horizontal,
        vertical=vertical,
        request=request,
        pixels=pixels,
        memory_bytes=_memory_bytes(description, chosen, horizontal, vertical, request),
        is_dear=_is_dear(pixels, request),
        streams=_streams(request),
    )


def _check_output(request: RenderRequest) -> None:
    longest = _LONGEST_SIDE.get(request.format)
    if longest and max(request.size.width, request.size.height) > longest:
        raise DecodeLimitError(
            f"A {request.format} image can be {longest} pixels wide and high at most; "
            f"{request.size.width} × {request.size.height} were asked for."
        )


def _stored_spans(description: SourceDescription, request: RenderRequest) -> tuple[Span, Span]:
    """The request along the stored axes. Reversed axes are still counted as they are served."""
    region, size = request.region, request.size
    x_span = Span(region.x, region.width, description.width, size.width)
    y_span = Span(region.y, region.height, description.height, size.height)
    return (y_span, x_span) if orientation.swaps_axes(description.orientation) else (x_span, y_span)


def _smallest_sufficient(description: SourceDescription, x_span: Span, y_span: Span, step: int | None) -> _Candidate:
    """The smallest level that still has a pixel for each output pixel, or the largest there is."""
    best = _Candidate(description.levels[0], 1)
    for candidate in _candidates(description):
        x_ratio = _ratio(x_span, candidate.size.width, step)
        y_ratio = _ratio(y_span, candidate.size.height, step)
        if x_ratio >= 1 and y_ratio >= 1 and candidate.size.area < best.size.area:
            best = candidate
    return best


def _candidates(description: SourceDescription) -> list[_Candidate]:
    candidates = [_Candidate(level, 1) for level in description.levels]
    full = description.levels[0]
    for shrink in _SHRINKS.get(description.source_format, ()):
        level = _shrunk(description.source_format, full, shrink)
        if level.width and level.height:
            candidates.append(_Candidate(level, shrink))
    return candidates


def _shrunk(source_format: SourceFormat, full: Level, shrink: int) -> Level:
    """As libvips does it: it leaves out the last, partial pixels of a JPEG, and rounds for WebP."""
    if source_format is SourceFormat.JPEG:
        return Level(full.width // shrink, full.height // shrink)
    return Level(round(Fraction(full.width, shrink)), round(Fraction(full.height, shrink)))


def _ratio(span: Span, level: int, step: int | None) -> Fraction:
    """Level pixels per output pixel."""
    if step is None:
        if span.length == span.full and span.output == level:
            return Fraction(1)
        return resample.level_scale(span.full, level) * span.length / span.output
    return resample.level_scale(span.full, level) * step


def _decoded_pixels(description: SourceDescription, chosen: _Candidate, horizontal: Axis, vertical: Axis) -> int:
    """Whole tiles where there are tiles; else every row down to the last one."""
    level = chosen.level
    if level.tile_width and level.tile_height and not _decodes_whole(description):
        columns = _touched(horizontal, level.tile_width)
        rows = _touched(vertical, level.tile_height)
        tiles = columns * rows * level.tile_width * level.tile_height
        return min(tiles, (level.width + level.tile_width) * (level.height + level.tile_height))
    if description.source_format is SourceFormat.JP2:
        read = horizontal.length * vertical.length
        return level.width * level.height if _decodes_whole(description) else read
    if description.source_format in {SourceFormat.TIFF, SourceFormat.PNG}:
        return level.width * (vertical.start + vertical.length)
    return description.levels[0].width * description.levels[0].height


def _touched(axis: Axis, tile: int) -> int:
    return (axis.start + axis.length - 1) // tile - axis.start // tile + 1


def _decodes_whole(description: SourceDescription) -> bool:
    """What the JPEG 2000 decoder does not read in part (see `jp2_header.Codestream.has_regions`)."""
    return any(description.detail.get(name) for name in ("is_htj2k", "has_packed_headers"))


def _memory_bytes(
    description: SourceDescription, chosen: _Candidate, horizontal: Axis, vertical: Axis, request: RenderRequest
) -> int:
    """An estimate of the peak: what is decoded, what is turned, what an encoder holds back."""
    bands = max(1, description.bands)
    output = request.size.area * bands
    read = horizontal.length * vertical.length * bands
    sample_bytes = max(1, -(-description.bits_per_sample // 8))
    if description.source_format is SourceFormat.JP2:
        whole = chosen.size.area * bands if _decodes_whole(description) else min(read, _STRIP_SAMPLES)
        decoding = read + whole * 8
    elif description.source_format in {SourceFormat.WEBP, SourceFormat.GIF, SourceFormat.AVIF}:
        decoding = description.width * description.height * 4
    elif description.detail.get("is_interlaced"):
        decoding = description.width * description.height * bands * sample_bytes * 2
    else:
        decoding = horizontal.length * _ROWS_HELD * bands * sample_bytes
    turning = output * 3 if description.orientation != 1 or request.degrees != "0" else 0
    encoding = output * 2 if request.format not in _STREAMED else 0
    blending = min(output * 8, _BLENDED_BYTES) if description.has_alpha else 0
    return _PROCESS_BYTES + decoding + turning + encoding + blending


def _is_dear(pixels: int, request: RenderRequest) -> bool:
    threshold = _DEAR_FROM_OUTPUT_PIXELS.get(request.format, _DEAR_FROM_PIXELS)
    return pixels > _DEAR_FROM_DECODED_PIXELS or request.size.area > threshold


def _streams(request: RenderRequest) -> bool:
    if request.format == "jpg" and request.options.jpeg_progressive:
        return False
    return request.format in _STREAMED and request.size.area >= _STREAMED_FROM_PIXELS


def _axis_from_json(data: Mapping[str, Any]) -> Axis:
    values = dict(data)
    values["method"] = resample.Method(values["method"])
    values["ratio"] = Fraction(values["ratio"])
    values["offset"] = Fraction(values["offset"])
    return Axis(**values)
