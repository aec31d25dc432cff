"""The job for a tile that is plain pixels, deflated or not: so little work that its overhead counts. Pure.

Such a tile needs neither libtiff nor libvips: a piece is unpacked, differences are added up, and what was asked for is
cut out and encoded. Everything else goes the long way, which gives the same bytes.
"""

from typing import Any

from images.decoders.plan import DecodePlan
from images.decoders.tiff_pieces import StoredPieces
from images.indexes.tiff import tags
from images.indexes.tiff.index import ColourProfile

NO_COMPRESSION = 1
DEFLATE = frozenset({8, 32946})
"""Values of Compression (TIFF 6.0; TIFF Technical Notes of Adobe, 2002)."""

HORIZONTAL = 2
"""Value of Predictor: each sample is stored as the difference to the one on its left (TIFF 6.0, section 14)."""

_SAMPLES = {1: 1, 2: 3}
"""PhotometricInterpretation, black is zero or RGB, and the samples of a pixel without alpha."""

_MOST_BYTES = 32 * 1024 * 1024
"""Unpacked; the long way knows how to do with less memory than all pixels take."""


def find_pieces_job(found: StoredPieces, planned: DecodePlan, *, is_file: bool = False) -> dict[str, Any] | None:
    """The job for a Runner on the joined bytes of the pieces, or on the file; None where they need the long way."""
    level, request = found.level, planned.request
    samples = _SAMPLES.get(level.photometric)
    unpacked = found.columns * found.rows * level.piece_width * level.piece_height * (samples or 0)
    if not samples or not _is_plain(found, samples, planned) or unpacked > _MOST_BYTES:
        return None
    x, y = planned.horizontal.start - found.x, planned.vertical.start - found.y
    return {
        "kind": "pieces",
        "is_deflated": level.compression in DEFLATE,
        "has_differences": level.compression in DEFLATE and found.coding.integers(tags.PREDICTOR) == (HORIZONTAL,),
        "piece": [level.piece_width, level.piece_height, samples],
        "last_rows": _last_rows(found),
        "columns": found.columns,
        "places": found.file_places if is_file else found.places,
        "cut": [x, y, request.size.width, request.size.height],
        "options": {"jpeg_quality": request.options.jpeg_quality, "dots_per_inch": request.options.dots_per_inch},
    }


def _is_plain(found: StoredPieces, samples: int, planned: DecodePlan) -> bool:
    """Whether the bytes that are unpacked are those that are encoded."""
    level, coding, request = found.level, found.coding, planned.request
    is_srgb = level.colour_profile is ColourProfile.SRGB and samples == 3 and request.options.icc == "srgb"
    return (
        request.format == "jpg"
        and not request.options.jpeg_progressive
        and planned.leaves_pixels_alone
        and not planned.has_alpha
        and (level.compression in DEFLATE or level.compression == NO_COMPRESSION)
        and (level.samples_per_pixel, level.bits_per_sample) == (samples, 8)
        and (level.colour_profile is ColourProfile.NONE or is_srgb)
        and coding.integers(tags.PREDICTOR) in {(), (1,), (HORIZONTAL,)}
        and coding.integers(tags.FILL_ORDER) in {(), (1,)}
        and set(coding.integers(tags.SAMPLE_FORMAT)) <= {1}
        and coding.integers(tags.EXTRA_SAMPLES) == ()
    )


def _last_rows(found: StoredPieces) -> int:
    """Rows of the lowest pieces: the last strip is only as high as the image, the last tile as high as all."""
    return (
        found.level.piece_height if found.level.is_tiled else found.height - (found.rows - 1) * found.level.piece_height
    )
