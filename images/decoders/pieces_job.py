"""The job for a tile that is plain pixels, deflated or not: so little work that its overhead counts. Pure.

Such a tile needs neither libtiff nor libvips: a piece is unpacked, differences are added up, and what was asked for is
cut out and encoded. Everything else goes the long way, which gives the same bytes. Where the answer is just one stored
tile, not even a plan is needed.
"""

from typing import Any

from images.decoders.pass_through import find_level, shown_of_tile
from images.decoders.plan import DecodePlan
from images.decoders.render import RenderRequest
from images.decoders.tiff_pieces import StoredPieces
from images.indexes.description import SourceDescription
from images.indexes.tiff import tags
from images.indexes.tiff.coding import Coding
from images.indexes.tiff.index import ColourProfile, IndexedLevel, TiffIndex

NO_COMPRESSION = 1
DEFLATE = frozenset({8, 32946})
"""Values of Compression (TIFF 6.0; TIFF Technical Notes of Adobe, 2002)."""

PLAIN = frozenset({NO_COMPRESSION, *DEFLATE})

HORIZONTAL = 2
"""Value of Predictor: each sample is stored as the difference to the one on its left (TIFF 6.0, section 14)."""

_SAMPLES = {1: 1, 2: 3}
"""PhotometricInterpretation, black is zero or RGB, and the samples of a pixel without alpha."""

_MOST_BYTES = 32 * 1024 * 1024
"""Unpacked; the long way knows how to do with less memory than all pixels take."""

_MOST_TILE_BYTES = 3 * 1024 * 1024
"""Of one tile without a plan, which would look at the memory that is allowed: 1024 × 1024 pixels."""


def find_pieces_job(found: StoredPieces, planned: DecodePlan, *, is_file: bool = False) -> dict[str, Any] | None:
    """The job for a Runner on the joined bytes of the pieces, or on the file; None where they need the long way."""
    level = found.level
    if planned.has_alpha or not planned.leaves_pixels_alone or not _is_plain(level, found.coding, planned.request):
        return None
    if found.columns * found.rows * _unpacked_bytes(level) > _MOST_BYTES:
        return None
    request = planned.request
    return {
        **_facts(level, found.coding, request),
        "last_rows": _last_rows(found),
        "columns": found.columns,
        "places": found.file_places if is_file else found.places,
        "cut": [
            planned.horizontal.start - found.x,
            planned.vertical.start - found.y,
            request.size.width,
            request.size.height,
        ],
    }


def find_tile_job(index: TiffIndex, description: SourceDescription, request: RenderRequest) -> dict[str, Any] | None:
    """The same job on the file for just one stored tile, found without a plan; None for anything else."""
    found = find_level(index, description, request)
    if found is None:
        return None
    number, step = found
    level = index.levels[number]
    x, y = request.region.x // step, request.region.y // step
    column, off_x = divmod(x, level.piece_width)
    row, off_y = divmod(y, level.piece_height)
    shown = shown_of_tile(level, x, y, request.size)
    if not level.is_tiled or shown is None or level.coding is None or not _is_plain(level, level.coding, request):
        return None
    piece = level.piece_range(column, row)
    if piece is None or _unpacked_bytes(level) > _MOST_TILE_BYTES or piece.length > _MOST_TILE_BYTES:
        return None
    return {
        **_facts(level, level.coding, request),
        "last_rows": level.piece_height,
        "columns": 1,
        "places": ((piece.start, piece.length),),
        "cut": [off_x, off_y, shown.width, shown.height],
    }


def _facts(level: IndexedLevel, coding: Coding, request: RenderRequest) -> dict[str, Any]:
    options = request.options
    return {
        "kind": "pieces",
        "is_deflated": level.compression in DEFLATE,
        "has_differences": level.compression in DEFLATE and coding.integers(tags.PREDICTOR) == (HORIZONTAL,),
        "answer": [request.size.width, request.size.height],
        "piece": [level.piece_width, level.piece_height, _SAMPLES[level.photometric]],
        "options": {"jpeg_quality": options.jpeg_quality, "dots_per_inch": options.dots_per_inch},
    }


def _unpacked_bytes(level: IndexedLevel) -> int:
    return level.piece_width * level.piece_height * _SAMPLES[level.photometric]


def _is_plain(level: IndexedLevel, coding: Coding, request: RenderRequest) -> bool:
    """Whether the bytes that are unpacked are those that are encoded, where nothing is scaled or turned."""
    samples = _SAMPLES.get(level.photometric)
    is_srgb = level.colour_profile is ColourProfile.SRGB and samples == 3 and request.options.icc == "srgb"
    return (
        samples is not None
        and request.format == "jpg"
        and not request.options.jpeg_progressive
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
