"""Answers that are a stored tile: one read of the source, no decoder, nothing kept in the derivative cache.

Reading a tile from its source costs no more than reading it from the cache, and keeping it there would cost a write.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from caching.derivatives import Derivative
from images.conf import conf
from images.decoders.pass_through import PassThrough, find_pass_through
from images.decoders.render import RenderRequest
from images.iiif.output import OutputFormat
from images.iiif.request import ResolvedRequest
from images.indexes.description import SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.ranges import ByteRange
from images.indexes.tiff.splice import SPLICE_REVISION, Frame, splice
from images.selectors.images import ServedImage
from images.selectors.indexes import find_index
from images.services.copy_answers import find_copied_piece
from images.sources.kept import keep_source

logger = logging.getLogger(__name__)

_JPEG = 7
"""Value of Compression in a TIFF (TIFF Technical Note 2)."""


def passes_through(served: ServedImage, resolved: ResolvedRequest) -> bool:
    """Whether a stored tile may be the answer to a JPEG request for this image; which one needs the index."""
    return resolved.format is OutputFormat.JPG and holds_jpeg(served)


def holds_jpeg(served: ServedImage) -> bool:
    """Whether the tiles of this image are stored as JPEG, and may be sent as they are."""
    description = served.description
    return (
        description.source_format is SourceFormat.TIFF
        and description.detail.get("compression") == _JPEG
        and conf.passes_through
    )


def splice_fingerprint(served: ServedImage, resolved: ResolvedRequest) -> str:
    """What pass-through adds to the name of the bytes; nothing where there is none."""
    return f",splice=r{SPLICE_REVISION}" if passes_through(served, resolved) else ""


def find_stored_piece(served: ServedImage, resolved: ResolvedRequest, request: RenderRequest) -> PassThrough | None:
    """The stored tile that is the answer, if it is one. Reads nothing of the source."""
    if not passes_through(served, resolved):
        return None
    if served.copy_fingerprint:
        return find_copied_piece(served, resolved, request)
    index = find_index(served)
    return None if index is None else find_pass_through(index, served.description, request)


def image_splice(served: ServedImage, found: PassThrough) -> Derivative | None:
    """The stored tile as a JPEG file; None where it isn't fit to be one, so that it has to be decoded.

    Raises SourceError.
    """
    if found.answer != found.frame.shown:
        return None
    body = _joined(served, found, _read(served, found.ranges), found.frame)
    if body is None:
        return None
    return Derivative(OutputFormat.JPG.media_type, len(body), iter((body,)), "pass_through")


def find_whole_pieces(served: ServedImage, found: Sequence[PassThrough]) -> list[bytes | None]:
    """Stored tiles with their padding as JPEG files, each None where it can't be one; one read. Raises SourceError."""
    pieces = iter(_read(served, [place for one in found for place in one.ranges]))
    return [
        _joined(served, one, list(islice(pieces, len(one.ranges))), replace(one.frame, shown=one.frame.stored))
        for one in found
    ]


def _read(served: ServedImage, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
    with keep_source(served.location, served.etag) as reader:
        pieces = reader.read_many(ranges)
        reader.verify()
    return pieces


def _joined(served: ServedImage, found: PassThrough, pieces: Sequence[bytes], frame: Frame) -> bytes | None:
    try:
        return splice(found.jpeg_tables, pieces[0] if len(pieces) == 1 else b"".join(pieces), frame)
    except IndexingError as error:
        logger.debug("Image %s, level %d: %s", served.identifier, found.level, error.detail)
        return None
