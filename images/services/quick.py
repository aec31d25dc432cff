"""Which answers are made again about as fast as they are written, so that the first demand keeps nothing."""

from collections.abc import Mapping
from typing import Any

from images.decoders.pass_through import PassThrough
from images.decoders.pieces_job import PLAIN
from images.decoders.plan import DecodePlan
from images.iiif.output import OutputFormat
from images.indexes.description import SourceFormat
from images.selectors.images import ServedImage

_MOST_PIXELS = 2 * 256 * 256
"""To be unpacked. To write a file costs the same whatever its length, to make it costs by the pixel."""


def is_quick_cut(served: ServedImage, stored: PassThrough) -> bool:
    """Of what is shown of a stored tile, decoded alone."""
    return _is_here(served) and stored.frame.stored.area <= _MOST_PIXELS


def is_quick_tile(job: Mapping[str, Any]) -> bool:
    """Of one stored tile of plain pixels in a local file, by its `find_tile_job`."""
    width, height, _samples = job["piece"]
    return bool(width * height <= _MOST_PIXELS)


def is_quick(served: ServedImage, planned: DecodePlan) -> bool:
    """Of a tile of plain pixels, deflated or not, as `pieces_job` does them. Pure."""
    return (
        _is_here(served)
        and planned.source_format is SourceFormat.TIFF
        and planned.request.format == OutputFormat.JPG
        and planned.pixels <= _MOST_PIXELS
        and served.description.detail.get("compression") in PLAIN
        and planned.leaves_pixels_alone
    )


def _is_here(served: ServedImage) -> bool:
    """Others may have to be fetched again, at a price."""
    return served.location.kind == "filesystem"
