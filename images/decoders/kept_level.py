"""Decode a small level of a JPEG 2000 source, or a whole image at the size of a thumbnail, into the form in which it is
kept (see `levels` and `thumbnails`).
"""

from collections.abc import Callable

import pyvips

from images.decoders import execute as rendering
from images.decoders import libvips
from images.decoders.errors import UnsupportedSourceError
from images.decoders.plan import DecodePlan
from images.decoders.resize import resize
from images.decoders.source import SourceData


def execute(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    """Write the level as a TIFF. Raises DecodeError, where its colours can't be said in one too."""
    with libvips.plain_errors(), rendering.opened_region(plan, source) as raster:
        write(_kept(raster, "lzw"))


def execute_reduced(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    """The same, scaled as planned; neither turned nor in display colours."""
    with libvips.plain_errors(), rendering.opened_region(plan, source) as raster:
        write(_kept(resize(raster, plan.horizontal, plan.vertical), "deflate"))


def _kept(raster: pyvips.Image, compression: str) -> bytes:
    body: bytes = raster.tiffsave_buffer(compression=compression, predictor="horizontal", keep="icc")
    again = pyvips.Image.tiffload_buffer(body)
    if (again.interpretation, again.bands, again.format) != (raster.interpretation, raster.bands, raster.format):
        raise UnsupportedSourceError("These colours cannot be kept in a TIFF.")
    return body
