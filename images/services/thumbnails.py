"""Thumbnails made ahead: what the gallery, the admin, manifests and viewers ask for first."""

import logging

from images.decoders.errors import DecodeError
from images.iiif.errors import IIIFError
from images.iiif.geometry import Size
from images.iiif.thumbnails import base_size, is_reached
from images.iiif.tiles import level_sizes, tile_set
from images.models import Image
from images.selectors.images import ImageNotFoundError, ImageNotReadyError, get_served_image
from images.services import levels
from images.services.first_tiles import image_make_first_tiles
from images.services.rendering import image_render
from images.services.requests import resolve_whole
from images.sources.errors import SourceError

logger = logging.getLogger(__name__)

_LISTED_PIXELS = 400
"""What the gallery, the admin and manifests show: of smaller images the whole."""


def image_make_thumbnails(pk: int) -> int:
    """Put the small levels and the thumbnails of an image, and what viewers begin with, into the derivative cache.

    The source is decoded once for all of these, and once for each small level that is kept. Returns how many sizes
    could be made; failures are logged.
    """
    identifier = Image.objects.values_list("identifier", flat=True).filter(pk=pk).first()
    if identifier is None:
        return 0
    _keep_levels(identifier)
    made: set[Size] = set()
    for size in _wanted(identifier):
        try:
            served = get_served_image(identifier)
            resolved = resolve_whole(served, size)
            if resolved.size not in made:
                image_render(served, resolved).close()
                made.add(resolved.size)
        except (ImageNotFoundError, ImageNotReadyError, IIIFError, SourceError, DecodeError) as error:
            logger.warning("No thumbnail %s of %s: %s", size, identifier, error)
    _make_first_tiles(identifier)
    return len(made)


def _wanted(identifier: str) -> list[str]:
    """Size parameters: those of the image's profile, and the level that one tile holds, which viewers ask for first.

    That only where it is no larger than the thumbnails, so that it takes no decode of its own. None where there is
    nothing to make them of, or no thumbnails are wanted.
    """
    try:
        served = get_served_image(identifier)
    except (ImageNotFoundError, ImageNotReadyError) as error:
        logger.warning("No thumbnails of %s: %s", identifier, error)
        return []
    longest = max(served.full.width, served.full.height)
    boxes = [box for box in served.profile.thumbnail_boxes if box <= _LISTED_PIXELS or box < longest]
    factors = tile_set(served.full, served.tile, served.limits).scale_factors
    sizes = [f"!{box},{box}" for box in boxes]
    first = level_sizes(served.full, factors, served.limits)[:1]
    if boxes and len(factors) > 1 and first and is_reached(first[0], base_size(served.full, boxes), 0):
        sizes.append(f"{first[0].width},{first[0].height}")
    return sizes


def _keep_levels(identifier: str) -> None:
    """Decode the small levels once; whatever is made of them later starts there."""
    try:
        levels.image_keep_levels(get_served_image(identifier))
    except (ImageNotFoundError, ImageNotReadyError, SourceError, DecodeError) as error:
        logger.warning("The small levels of %s are not kept: %s", identifier, error)


def _make_first_tiles(identifier: str) -> None:
    try:
        image_make_first_tiles(get_served_image(identifier))
    except (ImageNotFoundError, ImageNotReadyError, IIIFError, SourceError) as error:
        logger.warning("The first tiles of %s are not made: %s", identifier, error)
