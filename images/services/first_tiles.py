"""The tiles of the small levels of TIFF pyramids, made ahead: what a viewer shows first.

Those of JPEG 2000 are made of levels that are kept (see `levels`). Stored JPEG tiles are there already, but for those
at the image's ends.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

from caching.derivatives import get_derivative_cache
from images.conf import conf
from images.decoders.errors import DecodeError
from images.iiif.geometry import Region, Size
from images.iiif.request import ImageRequest, ResolvedRequest, parse_image_request, resolve
from images.iiif.tiles import TileSet, reduced_size, tile_regions, tile_set
from images.iiif.version import ApiVersion
from images.indexes.description import Level, SourceFormat
from images.selectors.images import ServedImage
from images.services.copy_answers import answering
from images.services.planning import derivative_key
from images.services.rendering import image_render

_ROUNDING = 1
"""Pixels by which a stored level may be shorter than its scale factor says: libvips rounds down."""


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
    tiles = tile_set(served.full, served.tile, served.limits)
    for factor in tiles.scale_factors:
        size = reduced_size(served.full, factor)
        if max(size.width, size.height) <= conf.kept_level_size and _has_level(served, size) and _is_few(tiles, size):
            for region, tile in tile_regions(served.full, tiles.size, factor):
                yield _resolved(served, region, tile)


def _is_few(tiles: TileSet, size: Size) -> bool:
    return -(-size.width // tiles.size.width) * -(-size.height // tiles.size.height) <= _MOST_TILES


def _has_level(served: ServedImage, size: Size) -> bool:
    """Whether the source has it, in pieces: else each tile would cost a decode of something larger."""
    description = served.description
    return description.source_format is SourceFormat.TIFF and any(
        _is_level(level, size) for level in description.levels
    )


def _is_level(level: Level, size: Size) -> bool:
    short = size.width - level.width, size.height - level.height
    return level.tile_width is not None and all(0 <= pixels <= _ROUNDING for pixels in short)


def _resolved(served: ServedImage, region: Region, size: Size) -> ResolvedRequest:
    spelt = f"{region.x},{region.y},{region.width},{region.height}"
    request: ImageRequest = parse_image_request(spelt, f"{size.width},{size.height}", "0", "default.jpg", ApiVersion.V3)
    return resolve(request, served.full, served.capabilities, is_grayscale=served.description.is_grayscale)
