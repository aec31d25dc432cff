"""Raster to the bytes of an output format: the same bytes for the same pixels and options."""

import io
import struct
from collections.abc import Callable
from typing import Any

import pyvips
from PIL import Image as PillowImage
from PIL import Jpeg2KImagePlugin

from images.decoders import pdf, tiff_stream
from images.decoders.errors import UnsupportedSourceError
from images.decoders.failures import out_of_memory
from images.decoders.options import EncodeOptions

__all__ = ["JFIF_HEADER_BYTES", "EncodeOptions", "encode", "jfif_segment"]

JFIF_HEADER_BYTES = 20
"""SOI and the APP0 segment that begin a JPEG file made by libjpeg (JFIF 1.02)."""

Write = Callable[[bytes], None]
_MILLIMETRES_PER_INCH = 25.4
_DEFAULT_DOTS_PER_INCH = 72
_GIF_EFFORT = 2  # of 10: more looks the same and takes several times as long
_START_OF_IMAGE = b"\xff\xd8"

PillowImage.preinit()  # imports its plugins now, before a decoder process shuts itself off from files


def encode(image: pyvips.Image, output_format: str, options: EncodeOptions, write: Write, *, bitonal: bool) -> None:
    """Hand the encoded bytes to `write`: JPEG, PNG and large TIFF piece by piece, others in one."""
    image = _with_density(image, options)
    match output_format:
        case "jpg":
            _stream(image, "jpegsave_target", _jpeg_options(options), _with_jfif(options, write))
        case "png":
            depth = {"bitdepth": 1} if bitonal else {}
            chosen = {"compression": options.png_compression, **depth, **_kept(options)}
            _stream(image, "pngsave_target", chosen, write)
        case "tif" if options.streams_tiff(image.width * image.height):
            _stream_tiff(image, options, write, bitonal=bitonal)
        case "pdf":
            jpeg = _buffered(image, "jpegsave_buffer", _jpeg_options(options))
            dots = options.dots_per_inch or _DEFAULT_DOTS_PER_INCH
            write(pdf.page(jpeg, image.width, image.height, image.bands, dots))
        case "jp2":
            write(_jp2(image, options))
        case _:
            name, chosen = _buffered_options(output_format, options, bitonal=bitonal)
            write(_buffered(image, name, chosen))


def _with_density(image: pyvips.Image, options: EncodeOptions) -> pyvips.Image:
    """Always set, so that a derivative does not depend on what its source said."""
    dots = options.dots_per_inch or _DEFAULT_DOTS_PER_INCH
    per_millimetre = dots / _MILLIMETRES_PER_INCH
    return image.copy(xres=per_millimetre, yres=per_millimetre)


def _with_jfif(options: EncodeOptions, write: Write) -> Write:
    """Put back the APP0 segment that libvips leaves out with all other metadata; it says the density (JFIF 1.02).

    It goes before the first piece and not earlier: until there is one, an error can still be told.
    """
    segment = jfif_segment(options)
    held = b""
    is_open = False

    def forward(piece: bytes) -> None:
        nonlocal held, is_open
        if is_open:
            write(piece)
            return
        held += piece
        if len(held) >= len(_START_OF_IMAGE):
            is_open = True
            write(_START_OF_IMAGE + segment + held[len(_START_OF_IMAGE) :])

    return forward


def jfif_segment(options: EncodeOptions) -> bytes:
    """The APP0 segment that says the density."""
    dots = options.dots_per_inch or _DEFAULT_DOTS_PER_INCH
    return struct.pack(">HH5sHBHHBB", 0xFFE0, 16, b"JFIF", 0x0102, 1, dots, dots, 0, 0)


def _kept(options: EncodeOptions) -> dict[str, Any]:
    return {"keep": "icc" if options.icc == "keep" else "none"}


def _jpeg_options(options: EncodeOptions) -> dict[str, Any]:
    return {"Q": options.jpeg_quality, "interlace": options.jpeg_progressive, **_kept(options)}


def _buffered_options(output_format: str, options: EncodeOptions, *, bitonal: bool) -> tuple[str, dict[str, Any]]:
    depth = {"bitdepth": 1} if bitonal else {}
    match output_format:
        case "webp":
            return "webpsave_buffer", {"Q": options.webp_quality, **_kept(options)}
        case "avif":
            quality = {"Q": options.avif_quality, "effort": options.avif_effort}
            return "heifsave_buffer", {"compression": "av1", **quality, **_kept(options)}
        case "gif":
            return "gifsave_buffer", {"effort": _GIF_EFFORT, **depth, **_kept(options)}
        case "tif":
            return "tiffsave_buffer", {**_tiff_options(options, bitonal=bitonal), **_kept(options)}
    raise UnsupportedSourceError(f"No encoder writes {output_format}.")


def _tiff_options(options: EncodeOptions, *, bitonal: bool) -> dict[str, Any]:
    """Group 4 is made for two tones; neither predictors nor JPEG know single bits."""
    if bitonal:
        return {"bitdepth": 1, "compression": "ccittfax4", "predictor": "none"}
    return {"compression": options.tiff_compression, "Q": options.jpeg_quality}


def _buffered(image: pyvips.Image, name: str, chosen: dict[str, Any]) -> bytes:
    encoded: bytes = pyvips.Operation.call(name, image, **chosen)
    return encoded


def _stream(image: pyvips.Image, name: str, chosen: dict[str, Any], write: Write) -> None:
    """libvips cannot carry an exception through its callback, so it is kept and raised after."""
    raised: list[BaseException] = []

    def forward(piece: bytes) -> int:
        if raised:
            return -1
        try:
            write(bytes(piece))
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)
            return -1
        return len(piece)

    target = pyvips.TargetCustom()
    target.on_write(forward)
    try:
        pyvips.Operation.call(name, image, target, **chosen)
    except pyvips.Error:
        if not raised:
            raise
    if raised:
        raise raised[0]


def _stream_tiff(image: pyvips.Image, options: EncodeOptions, write: Write, *, bitonal: bool) -> None:
    profile = None
    if options.icc == "keep" and image.get_typeof("icc-profile-data"):
        profile = bytes(image.get("icc-profile-data"))
    dots = options.dots_per_inch or _DEFAULT_DOTS_PER_INCH
    layout = tiff_stream.tiff_layout(image, dots, profile, bitonal=bitonal)
    write(layout.head())
    _stream(image, "rawsave_target", {}, tiff_stream.packing(layout, write))


def _jp2(image: pyvips.Image, options: EncodeOptions) -> bytes:
    """Lossless, or at a ratio, by Pillow's OpenJPEG."""
    raster = PillowImage.fromarray(image.numpy())
    chosen: dict[str, Any] = {"irreversible": False}
    if options.jp2_ratio > 0:
        chosen = {"irreversible": True, "quality_mode": "rates"}
        chosen["quality_layers"] = [options.jp2_ratio]
    smallest = min(image.width, image.height)
    chosen["num_resolutions"] = max(1, min(6, smallest.bit_length()))
    buffer = io.BytesIO()
    try:
        raster.save(buffer, Jpeg2KImagePlugin.Jpeg2KImageFile.format, **chosen)
    except OSError as error:
        # "broken data stream", says Pillow, when OpenJPEG gets no memory: nothing else can be wrong with a raster.
        raise out_of_memory() from error
    return buffer.getvalue()
