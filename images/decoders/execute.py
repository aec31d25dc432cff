"""Carry out a plan: decode, transform, encode. Runs in a decoder process, or in a thread."""

from collections.abc import Callable

import pyvips

from images.decoders import colour, encode, jp2, libvips, transform, vips
from images.decoders.inspection import describe_inspected, inspect
from images.decoders.plan import DecodePlan
from images.decoders.resize import resize
from images.decoders.source import SourceData
from images.indexes.description import SourceFormat

__all__ = ["describe_inspected", "execute", "inspect"]


def execute(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    """Decode what `plan` asks from `source` and hand the encoded bytes to `write`.

    A plan that streams writes pieces as they are made; others write once, when nothing can fail any more.
    A file descriptor's position is moved: nobody else may read from it meanwhile. Raises
    DecodeError. What `write` raises is raised again once the encoder has stopped.
    """
    if plan.streams:
        _render(plan, source, write)
        return
    pieces: list[bytes] = []
    _render(plan, source, pieces.append)
    write(b"".join(pieces))


def _render(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    request = plan.request
    with libvips.plain_errors():
        raster = _decode(plan, source)
        raster = resize(raster, plan.horizontal, plan.vertical)
        raster = colour.to_display(raster, keep_profile=request.options.icc == "keep")
        raster = transform.orient(raster, plan.orientation)
        raster = transform.apply(raster, request)
        bitonal = request.quality == "bitonal"
        encode.encode(raster, request.format, request.options, write, bitonal=bitonal)


def _decode(plan: DecodePlan, source: SourceData) -> pyvips.Image:
    if plan.source_format is SourceFormat.JP2:
        return jp2.load_region(plan, source)
    return vips.load_region(plan, source)
