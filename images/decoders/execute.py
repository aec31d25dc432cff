"""Carry out a plan: decode, transform, encode. Runs in a decoder process, or in a thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyvips

from images.decoders import colour, encode, jp2, jp2_colour, jp2_strips, libvips, pixels, transform, vips
from images.decoders.inspection import describe_inspected, inspect
from images.decoders.plan import DecodePlan
from images.decoders.render import RenderRequest
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
    is_jp2 = plan.source_format is SourceFormat.JP2
    if is_jp2 and pixels.encodes_pixels(plan.request) and plan.leaves_pixels_alone:
        _render_pixels(plan, source, pieces.append)
    else:
        _render(plan, source, pieces.append)
    write(b"".join(pieces))


def _render(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    with libvips.plain_errors(), opened_region(plan, source) as raster:
        encode_raster(shown(raster, plan), plan.request, write)


def _render_pixels(plan: DecodePlan, source: SourceData, write: Callable[[bytes], None]) -> None:
    """The same where libvips may have nothing to do: from OpenJPEG's samples straight to the encoder."""
    decoded, header = jp2.load_pixels(plan, source)
    displayed_pixels = jp2_colour.find_display_pixels(decoded, header)
    if displayed_pixels is not None:
        write(pixels.encode_pixels(displayed_pixels, plan.request.options))
        return
    with libvips.plain_errors():
        encode_raster(shown(jp2_colour.to_image(decoded, header), plan), plan.request, write)


def shown(raster: pyvips.Image, plan: DecodePlan) -> pyvips.Image:
    """What a decoder gave for the plan, scaled, in display colours, turned as the request says."""
    return displayed(resize(raster, plan.horizontal, plan.vertical), plan)


def displayed(raster: pyvips.Image, plan: DecodePlan) -> pyvips.Image:
    """In display colours, turned as the request says."""
    raster = colour.to_display(raster, keep_profile=plan.request.options.icc == "keep")
    raster = transform.orient(raster, plan.orientation)
    return transform.apply(raster, plan.request)


def encode_raster(raster: pyvips.Image, request: RenderRequest, write: Callable[[bytes], None]) -> None:
    encode.encode(raster, request.format, request.options, write, bitonal=request.quality == "bitonal")


@contextmanager
def opened_region(plan: DecodePlan, source: SourceData) -> Iterator[pyvips.Image]:
    """What the plan reads; its pixels are made as they are asked for, from the top, while the context lasts."""
    if plan.source_format is SourceFormat.JP2:
        with jp2_strips.opened_region(plan, source) as image:
            yield image
        return
    yield vips.load_region(plan, source)
