"""Which answers are made again about as fast as they are written, so that the first demand keeps nothing."""

from images.decoders.pass_through import PassThrough
from images.decoders.pieces_job import DEFLATE, NO_COMPRESSION
from images.decoders.plan import DecodePlan
from images.iiif.output import OutputFormat
from images.indexes.description import SourceFormat
from images.selectors.images import ServedImage

_MOST_PIXELS = 2 * 256 * 256
"""To be unpacked. To write a file costs the same whatever its length, to make it costs by the pixel."""

_PLAIN = frozenset({NO_COMPRESSION, *DEFLATE})


def is_quick_cut(served: ServedImage, stored: PassThrough) -> bool:
    """Of what is shown of a stored tile, decoded alone."""
    return _is_here(served) and stored.frame.stored.area <= _MOST_PIXELS


def is_quick(served: ServedImage, planned: DecodePlan) -> bool:
    """Of a tile of plain pixels, deflated or not, as `pieces_job` does them. Pure."""
    return (
        _is_here(served)
        and planned.source_format is SourceFormat.TIFF
        and planned.request.format == OutputFormat.JPG
        and planned.pixels <= _MOST_PIXELS
        and served.description.detail.get("compression") in _PLAIN
        and planned.leaves_pixels_alone
    )


def _is_here(served: ServedImage) -> bool:
    """Others may have to be fetched again, at a price."""
    return served.location.kind == "filesystem"
