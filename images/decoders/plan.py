"""From a request and the description of a source to what must be decoded. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from images.decoders import orientation, resample
from images.decoders.errors import DecodeLimitError
from images.decoders.estimate import decoded_at_once, decodes_whole, memory_bytes
from images.decoders.layers import LayerPolicy, layers_to_decode
from images.decoders.output_limits import canvas, check_output
from images.decoders.render import RenderRequest
from images.decoders.resample import Axis, Span
from images.iiif.geometry import Size
from images.indexes.description import Level, SourceDescription, SourceFormat

_SHRINKS = {SourceFormat.JPEG: (2, 4, 8), SourceFormat.WEBP: (2, 4, 8)}
"""Scale factors that a decoder applies while it decodes."""

_STREAMED = {"jpg", "png", "tif"}
_STREAMED_FROM_PIXELS = 4_000_000
_DEAR_FROM_PIXELS = 4_000_000
_DEAR_FROM_DECODED_PIXELS = 16_000_000  # a tile of a photograph without tiles is an everyday request
_DEAR_FROM_OUTPUT_PIXELS = {"avif": 1_000_000, "gif": 1_000_000, "jp2": 1_000_000}


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """Everything a decoder needs to know; a value that travels as JSON.

    `level`: the stored resolution to open, with `width` and `height` after `shrink`, the factor
    that the decoder applies as it reads. `horizontal` and `vertical`: along the stored axes.
    `pixels`: pixels that will be decoded. `memory_bytes`: estimate of the peak. `is_dear`: belongs
    into the slow lane. `streams`: the first bytes leave before the last pixel is encoded.
    `layers`: quality layers of JPEG 2000 that are decoded, None for all. `is_strict`: a TIFF of which nothing may be
    left black that could not be unpacked.
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
    layers: int | None = None
    is_strict: bool = False

    @property
    def leaves_pixels_alone(self) -> bool:
        """Whether what is decoded is what is encoded, but for its colours."""
        request = self.request
        return (
            all(axis.is_plain and axis.length == axis.output for axis in (self.horizontal, self.vertical))
            and self.orientation == 1
            and not request.mirrored
            and Decimal(request.degrees) == 0
            and request.quality == "default"
        )

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


def plan(
    description: SourceDescription,
    request: RenderRequest,
    *,
    memory_limit: int | None = None,
    layer_policy: LayerPolicy = LayerPolicy.ALL,
) -> DecodePlan:
    """Choose the stored level, the rectangle of it to decode, and the scale that remains.

    Raises OutputLimitError where the output format cannot be had in the size that was asked for, DecodeLimitError
    where more than `memory_limit` bytes would be needed.
    """
    check_output(request)
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
    at_once = decoded_at_once(description, chosen.level, horizontal, vertical)
    needed = memory_bytes(description, at_once, horizontal, vertical, request)
    _check_memory(needed, memory_limit)
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
        memory_bytes=needed,
        is_dear=_is_dear(pixels, request),
        streams=_streams(request),
        layers=layers_to_decode(description, chosen.level.reduction, layer_policy),
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
        is_smaller = candidate.size.area < best.size.area
        if is_smaller and _suffices(x_span, candidate.size.width, step):
            best = candidate if _suffices(y_span, candidate.size.height, step) else best
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


def _suffices(span: Span, level: int, step: int | None) -> bool:
    """Whether a level of `level` pixels has one for each output pixel."""
    if step is not None:
        return _reaches(span.full, level, step)
    if span.length == span.full and span.output == level:
        return True
    return resample.level_scale(span.full, level) * span.length / span.output >= 1


@lru_cache(maxsize=4096)
def _reaches(full: int, level: int, step: int) -> bool:
    """The same on a grid of this scale factor: it is asked of every level for every tile, and fractions are slow."""
    return resample.level_scale(full, level) * step >= 1


def _decoded_pixels(description: SourceDescription, chosen: _Candidate, horizontal: Axis, vertical: Axis) -> int:
    """Whole tiles where there are tiles; else every row down to the last one."""
    level = chosen.level
    if level.tile_width and level.tile_height and not decodes_whole(description):
        columns = _touched(horizontal, level.tile_width)
        rows = _touched(vertical, level.tile_height)
        tiles = columns * rows * level.tile_width * level.tile_height
        return min(tiles, (level.width + level.tile_width) * (level.height + level.tile_height))
    if description.source_format is SourceFormat.JP2:
        read = horizontal.length * vertical.length
        whole = decoded_at_once(description, level, horizontal, vertical).area
        return whole if decodes_whole(description) else read
    if description.source_format in {SourceFormat.TIFF, SourceFormat.PNG}:
        return level.width * (vertical.start + vertical.length)
    return description.levels[0].width * description.levels[0].height


def _touched(axis: Axis, tile: int) -> int:
    return (axis.start + axis.length - 1) // tile - axis.start // tile + 1


def _check_memory(needed: int, limit: int | None) -> None:
    if limit is not None and needed > limit:
        raise DecodeLimitError(
            f"This answer would need about {needed // 1_000_000} MB of memory, more than the {limit // 1_000_000} MB "
            "that are allowed; ask for a smaller region or size, or for JPEG.",
            "out_of_memory",
        )


def _is_dear(pixels: int, request: RenderRequest) -> bool:
    threshold = _DEAR_FROM_OUTPUT_PIXELS.get(request.format, _DEAR_FROM_PIXELS)
    return pixels > _DEAR_FROM_DECODED_PIXELS or request.size.area > threshold


def _streams(request: RenderRequest) -> bool:
    if request.format == "jpg" and request.options.jpeg_progressive:
        return False
    if request.format == "tif":
        return request.options.streams_tiff(canvas(request).area)
    return request.format in _STREAMED and request.size.area >= _STREAMED_FROM_PIXELS


def _axis_from_json(data: Mapping[str, Any]) -> Axis:
    values = dict(data)
    values["method"] = resample.Method(values["method"])
    values["ratio"] = Fraction(values["ratio"])
    values["offset"] = Fraction(values["offset"])
    return Axis(**values)
