"""JPEG of pixels that lie in memory already, by Pillow: the very bytes that libvips makes of them, in half the time.

For a tile, what libvips does before and after libjpeg costs more than libjpeg does. Both use libjpeg-turbo's accurate
transform with the tables of the JPEG standard, so which of them encoded a tile cannot be told from its bytes.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image as PillowImage
from PIL import JpegImagePlugin

from images.decoders.encode import JFIF_HEADER_BYTES, encode, jfif_segment
from images.decoders.options import EncodeOptions
from images.decoders.render import RenderRequest
from images.iiif.geometry import Region

Bytes = npt.NDArray[np.uint8]
Write = Callable[[bytes], None]

_FULL_CHROMA_FROM_QUALITY = 90
"""From here on libvips keeps the chroma of every pixel; below, Pillow's 2 halves it both ways."""

_PROFILE = "icc-profile-data"


def encodes_pixels(request: RenderRequest) -> bool:
    """Whether answers to the request are made by `encode_pixels`, given the right raster."""
    return request.format == "jpg" and not request.options.jpeg_progressive


def are_plain(raster: pyvips.Image, request: RenderRequest) -> bool:
    """Whether the JPEG of a raster in display colours is that of its bytes alone: no profile goes with them."""
    return (
        encodes_pixels(request)
        and raster.format == "uchar"
        and raster.bands in {1, 3}
        and not (request.options.icc == "keep" and raster.get_typeof(_PROFILE))
    )


def repeat_ends(pixels: Bytes, answer: Sequence[int]) -> Bytes:
    """Rows × columns × samples, lengthened to `answer` (width, height) by their last column and row."""
    width, height = answer
    rows, columns, _samples = pixels.shape
    if (columns, rows) == (width, height):
        return pixels
    return np.pad(pixels, ((0, height - rows), (0, width - columns), (0, 0)), mode="edge")


def encode_pixels(pixels: Bytes, options: EncodeOptions) -> bytes:
    """A JPEG file of rows × columns × 1 (gray) or 3 (sRGB) bytes."""
    is_gray = pixels.shape[2] == 1
    keeps_chroma = is_gray or options.jpeg_quality >= _FULL_CHROMA_FROM_QUALITY
    picture = PillowImage.fromarray(pixels[:, :, 0] if is_gray else pixels)
    buffer = io.BytesIO()
    picture.save(
        buffer,
        JpegImagePlugin.JpegImageFile.format,
        quality=options.jpeg_quality,
        subsampling=0 if keeps_chroma else 2,
    )
    jpeg = buffer.getbuffer()
    return b"".join((jpeg[:2], jfif_segment(options), jpeg[JFIF_HEADER_BYTES:]))


def cutter(raster: pyvips.Image, request: RenderRequest) -> Callable[[Region], bytes]:
    """Decode `raster`, which is in display colours, to its last pixel; then encode parts of it as they are asked for.

    Each is byte for byte what `encode` makes of a raster of that part alone.
    """
    if are_plain(raster, request):
        pixels: Bytes = raster.numpy()
        pixels = pixels.reshape(raster.height, raster.width, raster.bands)

        def cut_pixels(cut: Region) -> bytes:
            part = pixels[cut.y : cut.y + cut.height, cut.x : cut.x + cut.width]
            return encode_pixels(part, request.options)

        return cut_pixels
    held = raster.copy_memory()

    def cut_raster(cut: Region) -> bytes:
        pieces: list[bytes] = []
        part = held.crop(cut.x, cut.y, cut.width, cut.height)
        encode(part, request.format, request.options, pieces.append, bitonal=request.quality == "bitonal")
        return b"".join(pieces)

    return cut_raster
