"""Small levels that are decoded once and kept in the derivative cache: what viewers show first, and thumbnails."""

import logging
from collections.abc import Iterator

from caching.derivatives import Production, get_derivative_cache
from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders import levels
from images.decoders.errors import UnsupportedSourceError
from images.decoders.plan import DecodePlan
from images.decoders.source import SourceData
from images.selectors.images import ServedImage
from images.services.decoding import get_runner
from images.services.indexing import decoder_input
from images.sources.registry import open_source

logger = logging.getLogger(__name__)


def is_kept(planned: DecodePlan) -> bool:
    """Whether the level that the plan reads is one that is kept."""
    return get_derivative_cache().keeps and levels.is_kept(planned.level, planned.source_format, conf.kept_level_size)


def find_kept(served: ServedImage, planned: DecodePlan) -> tuple[DecodePlan, SourceData] | None:
    """The kept level, made now if it is not there, and the plan for it; None where it can't be kept.

    Raises SourceError and DecodeError.
    """
    if not is_kept(planned):
        return None
    key = DerivativeKey(served.uuid, served.version, levels.kept_name(planned.level), f"layers={planned.layers}")
    try:
        kept = get_derivative_cache().get_or_create(
            key, lambda: Production(levels.MEDIA_TYPE, _decode_level(served, planned))
        )
    except UnsupportedSourceError as error:
        logger.debug("A level of %s is not kept: %s", served.identifier, error)
        return None
    return levels.from_kept(planned), SourceData(data=b"".join(kept.chunks))


def image_keep_levels(served: ServedImage) -> int:
    """Decode and keep every small level of an image; how many there are. Raises SourceError and DecodeError."""
    description = served.description
    small = [
        planned
        for level in description.levels
        if is_kept(planned := levels.plan_level(description, level, served.profile.layer_policy))
    ]
    return sum(find_kept(served, planned) is not None for planned in small)


def _decode_level(served: ServedImage, planned: DecodePlan) -> Iterator[bytes]:
    """Decode the level from a source that is pinned to the version."""
    whole = levels.plan_level(served.description, planned.level, served.profile.layer_policy)
    with (
        open_source(served.location, etag=served.etag) as reader,
        decoder_input(served, whole, reader) as (carried_out, data),
    ):
        body = get_runner().run(levels.level_job(carried_out), data).read()
        reader.verify()
    yield body
