"""How much memory a plan will take at its peak: right within a half, as measured. Pure."""

from decimal import Decimal

from images.decoders.cuts import AT_ONCE_SAMPLES, decoder_bytes, strip_bytes
from images.decoders.output_limits import canvas
from images.decoders.render import RenderRequest
from images.decoders.resample import Axis, Method
from images.iiif.geometry import Size
from images.indexes.description import Level, SourceDescription, SourceFormat
from images.indexes.jp2.geometry import ceil_shift

_PROCESS_BYTES = 56_000_000
"""What a decoder process takes before it has decoded anything."""

_ROWS_HELD = 512
"""Rows that libvips keeps of an image as it passes through."""

MAX_WHOLE_PIXELS = 270_000_000
"""Of what is decoded as a whole, since the decoder reads no parts of it: a window of 16384 × 16384 pixels, which
code-blocks of 64 with seven levels need where two seams cross. Mostly memory allows less: at three components this
takes 3.6 GB, half of it, across one seam, 1.8, and 8192 × 8192, between them, 0.9."""

_WHOLE_SAMPLE_BYTES = 4.4
"""That OpenJPEG takes at its peak for each sample of what is decoded as a whole: 3.7 to 4.4 of 31 to 108 megapixels in
three components, with and without high throughput code-blocks (2.5.4)."""

_TILE_SAMPLE_BYTES = 4
"""And for each of a tile, where there are several: it is copied."""

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
    if description.source_format is SourceFormat.JP2:
        return _PROCESS_BYTES + _decoding_jp2(description, decoded, (horizontal.length, vertical.length), working)
    return _PROCESS_BYTES + _decoding(description, horizontal) + working


def _decoding_jp2(description: SourceDescription, decoded: Size, region: tuple[int, int], working: int) -> int:
    """A large `region` is decoded strip by strip, while it is being encoded."""
    bands, full = _bands(description), description.levels[0]
    read = region[0] * region[1] * bands
    if decodes_whole(description):
        # The raster stays; the room in which OpenJPEG worked is used again.
        tile = (full.tile_width or 0) * (full.tile_height or 0) * bands
        return read + max(int(decoded.area * bands * _WHOLE_SAMPLE_BYTES) + tile * _TILE_SAMPLE_BYTES, working)
    if read <= AT_ONCE_SAMPLES:
        return read + max(read * 8, working)
    tile = (full.tile_width or full.width) * (full.tile_height or full.height) * bands
    return decoder_bytes(tile, is_tiled=full.tile_width is not None) + strip_bytes(*region, bands) + working


def decodes_whole(description: SourceDescription) -> bool:
    """What the JPEG 2000 decoder does not read in part (see `jp2_header.Codestream.has_regions`)."""
    return any(description.detail.get(name) for name in ("is_htj2k", "has_packed_headers"))


def decoded_at_once(description: SourceDescription, level: Level, horizontal: Axis, vertical: Axis) -> Size:
    """What the JPEG 2000 decoder decodes where it reads no part of a codestream: the level, or a window that is made.

    `description.detail["window"]`, where the source is indexed: windows begin and end at multiples of `step`, counted
    from `origin`, and reach `margin` beyond the region, but not beyond the image; full size pixels across and down.
    """
    window = description.detail.get("window")
    if not window:
        return Size(level.width, level.height)
    image = description.detail["image"]
    width = _window_length(horizontal, (image["left"], image["right"]), window, 0, level.reduction)
    height = _window_length(vertical, (image["top"], image["bottom"]), window, 1, level.reduction)
    return Size(min(level.width, width), min(level.height, height))


def _window_length(
    axis: Axis, extent: tuple[int, int], window: dict[str, list[int]], number: int, reduction: int
) -> int:
    """`extent`: of the image on the reference grid."""
    step, origin, margin = (window[name][number] for name in ("step", "origin", "margin"))
    start = (ceil_shift(extent[0], reduction) + axis.start) << reduction
    stop = start + (axis.length << reduction)
    first = (max(start - margin, extent[0]) - origin) // step
    last = -(-(min(stop + margin, extent[1]) - origin) // step)
    begin, end = max(first * step + origin, extent[0]), min(last * step + origin, extent[1])
    return ceil_shift(end, reduction) - ceil_shift(begin, reduction)


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
    if request.format == "tif" and request.options.streams_tiff(output):
        return 0
    per_pixel = _PIXEL_BYTES.get(request.format, 0.0) + _SAMPLE_BYTES.get(request.format, 0.0) * bands
    if has_alpha:
        per_pixel += _ALPHA_PIXEL_BYTES.get(request.format, 0)
    if request.format == "jpg" and request.options.jpeg_progressive:
        per_pixel += _INTERLACED_SAMPLE_BYTES * 2 * bands
    return int(output * per_pixel)
