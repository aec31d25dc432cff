"""The tiles of the small levels of TIFF pyramids, made ahead: what a viewer shows first.

Those of JPEG 2000 are made of levels that are kept (see `levels`). Stored JPEG tiles are there already, but for those
at the image's ends.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from caching.derivatives import get_derivative_cache
from images.conf import conf
from images.decoders.errors import DecodeError
from images.decoders.resample import level_scale
from images.iiif.geometry import Size
from images.iiif.grammar import ceil_divide
from images.iiif.request import ResolvedRequest
from images.iiif.tiles import TileSet, reduced_size, tile_regions, tile_set
from images.indexes.description import SourceFormat
from images.selectors.images import ServedImage
from images.services.copy_answers import answering
from images.services.planning import derivative_key
from images.services.rendering import image_render
from images.services.requests import resolve_whole

_MOST_TILES = 64
"""Of a level: tiles of 64 pixels. Where limits make them smaller, they are made when they are asked for."""

logger = logging.getLogger(__name__)


def image_make_first_tiles(served: ServedImage) -> int:
    """Make and keep each of these tiles that is not stored as it is sent; how many are kept then.

    What cannot be decoded is logged. Raises SourceError.
    """
    kept = 0
    for resolved in _wanted(served) if get_derivative_cache().keeps else ():
        try:
            kept += _keep(served, resolved)
        except DecodeError as error:
            logger.warning("A first tile of %s is not made: %s", served.identifier, error)
    return kept


def _keep(served: ServedImage, resolved: ResolvedRequest) -> bool:
    """Though nobody has asked for it before, and however quickly it is made; not where a service copy answers."""
    if answering(served, resolved) is not served:
        return False
    served = replace(served, copy=None)  # so that all that follows is named as made from the source
    cache, key = get_derivative_cache(), derivative_key(served, resolved)
    if cache.is_kept(key):
        return True
    made = image_render(served, resolved)
    try:
        if made.outcome == "pass_through":
            return False
        body = b"".join(made.chunks)
    finally:
        made.close()
    return cache.is_kept(key) or cache.keep(key, made.content_type, body)


def _wanted(served: ServedImage) -> Iterator[ResolvedRequest]:
    tiles, whole = tile_set(served.full, served.tile, served.limits), resolve_whole(served)
    for factor in tiles.scale_factors:
        size = reduced_size(served.full, factor)
        if max(size.width, size.height) <= conf.kept_level_size and _has_level(served, factor) and _is_few(tiles, size):
            for region, tile in tile_regions(served.full, tiles.size, factor):
                yield replace(whole, region=region, size=tile)


def _is_few(tiles: TileSet, size: Size) -> bool:
    return ceil_divide(size.width, tiles.size.width) * ceil_divide(size.height, tiles.size.height) <= _MOST_TILES


def _has_level(served: ServedImage, factor: int) -> bool:
    """Whether the source has it, in pieces: else each tile would cost a decode of something larger."""
    description, full, scale = served.description, served.full, Fraction(1, factor)
    return description.source_format is SourceFormat.TIFF and any(
        level.tile_width is not None
        and level_scale(full.width, level.width) == level_scale(full.height, level.height) == scale
        for level in description.levels
    )
