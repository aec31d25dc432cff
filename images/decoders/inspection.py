"""Read what the headers of an image say, without decoding a pixel."""

from collections.abc import Mapping
from typing import Any

import pyvips

from images.decoders import libvips, vips
from images.decoders.errors import DecodeLimitError, UnsupportedSourceError
from images.decoders.orientation import turned
from images.decoders.source import SourceData
from images.iiif.geometry import Size
from images.indexes.description import Level, SourceDescription, SourceFormat

MAX_PIXELS = 150_000_000
"""None of these formats can be read in part: any region costs the whole image, some 0.5 GB."""

MAX_SCANS = 100
"""Of a progressive JPEG: more are legal, but serve no picture (libvips holds the same limit when it decodes)."""

_GRAY = {"b-w", "grey16"}
_START_OF_SCAN = b"\xff\xda"
_PIECE_BYTES = 1 << 20


def inspect(source_format: SourceFormat, source: SourceData) -> dict[str, Any]:
    """What the headers of a JPEG, PNG, WebP, GIF or AVIF say: JSON values only.

    Of an animation, the first frame. Raises DecodeError, also for more than MAX_PIXELS.
    """
    if source_format is SourceFormat.JP2 or source_format not in vips.LOADERS:
        raise UnsupportedSourceError(f"{source_format} is not described by its decoder.")
    with libvips.plain_errors():
        image = vips.load(source_format, source, access="sequential")
    if image.width * image.height > MAX_PIXELS:
        raise DecodeLimitError(
            f"The image has {image.width} × {image.height} pixels; "
            f"{MAX_PIXELS // 1_000_000} million are allowed in this format."
        )
    is_interlaced = image.get_typeof("interlaced") != 0
    found = {
        "width": image.width,
        "height": image.height,
        "orientation": _number(image, "orientation", 1),
        "bands": image.bands,
        "bits_per_sample": {"uchar": 8, "ushort": 16}.get(image.format, 32),
        "colour": _colour(image),
        "has_alpha": bool(image.hasalpha()),
        "has_icc_profile": image.get_typeof("icc-profile-data") != 0,
        "pages": _number(image, "n-pages", 1),
        "is_interlaced": is_interlaced,
    }
    if source_format is SourceFormat.JPEG and is_interlaced:
        found["scans"] = _checked_scans(source)
    return found


def describe_inspected(source_format: SourceFormat, inspected: Mapping[str, Any]) -> SourceDescription:
    """The description of a source from what `inspect` found. Pure."""
    orientation = inspected["orientation"] if 1 <= inspected["orientation"] <= 8 else 1
    stored = Size(inspected["width"], inspected["height"])
    served = turned(stored, orientation)
    return SourceDescription(
        source_format=source_format,
        width=served.width,
        height=served.height,
        levels=(Level(stored.width, stored.height),),
        orientation=orientation,
        bands=inspected["bands"],
        bits_per_sample=inspected["bits_per_sample"],
        colour=inspected["colour"],
        has_alpha=inspected["has_alpha"],
        has_icc_profile=inspected["has_icc_profile"],
        detail={key: inspected[key] for key in ("pages", "is_interlaced", "scans") if key in inspected},
    )


def _checked_scans(source: SourceData) -> int:
    """Of a progressive JPEG: each costs a pass over the image. Raises DecodeLimitError for more than MAX_SCANS.

    0xFF is stuffed in entropy-coded data, so FF DA is a start of scan (T.81, B.1.1.5); a preview inside an APP
    segment may count too.
    """
    scans = 0
    previous = b""
    for offset in range(0, source.length, _PIECE_BYTES):
        piece = previous + source.read_at(offset, _PIECE_BYTES)
        scans += piece.count(_START_OF_SCAN)
        previous = piece[-1:]
    if scans > MAX_SCANS:
        raise DecodeLimitError(f"The JPEG is stored in {scans} passes; {MAX_SCANS} are allowed. Save it anew.")
    return scans


def _number(image: pyvips.Image, name: str, default: int) -> int:
    return int(image.get(name)) if image.get_typeof(name) != 0 else default


def _colour(image: pyvips.Image) -> str:
    if image.get_typeof("palette") != 0 or image.get_typeof("gif-palette") != 0:
        return "palette"
    if image.interpretation in _GRAY or image.bands <= 2:
        return "gray"
    return {"cmyk": "cmyk", "lab": "lab"}.get(image.interpretation, "rgb")
