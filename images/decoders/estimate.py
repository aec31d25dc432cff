"""How much memory a plan will take at its peak: right within a half, as measured. Pure."""

from decimal import Decimal

from images.decoders.output_limits import canvas
from images.decoders.render import RenderRequest
from images.decoders.resample import Axis, Method
from images.iiif.geometry import Size
from images.indexes.description import SourceDescription, SourceFormat

_PROCESS_BYTES = 56_000_000
"""What a decoder process takes before it has decoded anything."""

_ROWS_HELD = 512
"""Rows that libvips keeps of an image as it passes through."""

_STRIP_SAMPLES = 24_000_000
"""As `jp2` decodes at a time."""

_INTERLACED_SAMPLE_BYTES = 1.5
"""Coefficients of progressive JPEG, mostly with coarser chroma; the whole picture of an interlaced PNG."""

_WHOLE_PIXEL_BYTES = {SourceFormat.WEBP: 7, SourceFormat.GIF: 5, SourceFormat.AVIF: 15}
"""Of formats that are decoded whole before the first pixel leaves."""

_PIXEL_BYTES = {"webp": 9, "avif": 20, "gif": 12}
"""That encoders hold for each pixel of the output, whatever its bands."""

_ALPHA_PIXEL_BYTES = {"webp": 20, "avif": 8}
"""More of them for each pixel that has alpha."""

_SAMPLE_BYTES = {"jp2": 13.7, "tif": 1.3, "pdf": 0.4}
"""That encoders hold for each sample of the output: for TIFF and PDF the encoded bytes, as far as they compress."""


def memory_bytes(
    description: SourceDescription, decoded: Size, horizontal: Axis, vertical: Axis, request: RenderRequest
) -> int:
    """`decoded`: what is decoded at once of a JPEG 2000 file without regions; else any size."""
    working = (
        _turning(description, request) + _scaling(description, horizontal, vertical) + _encoding(description, request)
    )
    read = horizontal.length * vertical.length * _bands(description)
    if description.source_format is SourceFormat.JP2:
        # The raster stays; the room in which OpenJPEG worked is used again.
        at_once = decoded.area * _bands(description) if decodes_whole(description) else min(read, _STRIP_SAMPLES)
        return _PROCESS_BYTES + read + max(at_once * 8, working)
    return _PROCESS_BYTES + _decoding(description, horizontal) + working


def decodes_whole(description: SourceDescription) -> bool:
    """What the JPEG 2000 decoder does not read in part (see `jp2_header.Codestream.has_regions`)."""
    return any(description.detail.get(name) for name in ("is_htj2k", "has_packed_headers"))


def _bands(description: SourceDescription) -> int:
    return max(1, description.bands)


def _sample_bytes(description: SourceDescription) -> int:
    return max(1, -(-description.bits_per_sample // 8))


def _decoding(description: SourceDescription, horizontal: Axis) -> int:
    area = description.width * description.height
    if description.source_format in _WHOLE_PIXEL_BYTES:
        return area * _WHOLE_PIXEL_BYTES[description.source_format]
    sample_bytes = _sample_bytes(description) * _bands(description)
    if description.detail.get("is_interlaced"):
        return int(area * sample_bytes * _INTERLACED_SAMPLE_BYTES)
    return horizontal.length * _ROWS_HELD * sample_bytes


def _scaling(description: SourceDescription, horizontal: Axis, vertical: Axis) -> int:
    """Interpolation reads here and there, so it gets a copy; with alpha, all is done in floating point."""
    if horizontal.is_plain and vertical.is_plain:
        return 0
    bands, rows = _bands(description), vertical.length
    if Method.INTERPOLATE in {horizontal.method, vertical.method}:
        return horizontal.length * rows * bands * (4 if description.has_alpha else _sample_bytes(description))
    return horizontal.length * min(rows, _ROWS_HELD) * bands * 8 if description.has_alpha else 0


def _turning(description: SourceDescription, request: RenderRequest) -> int:
    """Once for a stored orientation, once for the rotation; one that is no quarter turn adds alpha."""
    output = request.size.area
    bands = _bands(description)
    oriented = output * bands if description.orientation not in {1, 2} else 0
    degrees = Decimal(request.degrees)
    if degrees == 0:
        return oriented
    if degrees % 90 == 0:
        return oriented + output * bands
    return oriented + output * (bands + (not description.has_alpha))


def _encoding(description: SourceDescription, request: RenderRequest) -> int:
    output = canvas(request).area
    has_alpha = description.has_alpha or Decimal(request.degrees) % 90 != 0
    bands = 1 if request.quality in {"gray", "bitonal"} else _bands(description)
    per_pixel = _PIXEL_BYTES.get(request.format, 0.0) + _SAMPLE_BYTES.get(request.format, 0.0) * bands
    if has_alpha:
        per_pixel += _ALPHA_PIXEL_BYTES.get(request.format, 0)
    if request.format == "jpg" and request.options.jpeg_progressive:
        per_pixel += _INTERLACED_SAMPLE_BYTES * 2 * bands
    return int(output * per_pixel)
