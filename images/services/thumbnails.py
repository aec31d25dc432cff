"""Thumbnails made ahead: what the gallery, the admin and manifests ask for first."""

import logging

from images.decoders.errors import DecodeError
from images.iiif.errors import IIIFError
from images.iiif.geometry import Size
from images.iiif.request import ResolvedRequest, parse_image_request, resolve
from images.iiif.version import ApiVersion
from images.models import Image
from images.selectors.images import ImageNotFoundError, ImageNotReadyError, ServedImage, get_served_image
from images.services import levels
from images.services.rendering import image_render
from images.sources.errors import SourceError

logger = logging.getLogger(__name__)

_LISTED_PIXELS = 400
"""What the gallery, the admin and manifests show: of smaller images the whole."""


def image_make_thumbnails(pk: int) -> int:
    """Put the small levels and the thumbnails of an image into the derivative cache.

    The source is decoded once for all thumbnails, and once for each small level that is kept. Returns how many
    thumbnails could be made; failures are logged.
    """
    identifier = Image.objects.values_list("identifier", flat=True).filter(pk=pk).first()
    if identifier is None:
        return 0
    _keep_levels(identifier)
    made: set[Size] = set()
    for box in _boxes(identifier):
        try:
            served = get_served_image(identifier)
            if box > _LISTED_PIXELS and box >= max(served.full.width, served.full.height):
                continue
            resolved = _thumbnail(served, box)
            if resolved.size not in made:
                image_render(served, resolved).close()
                made.add(resolved.size)
        except (ImageNotFoundError, ImageNotReadyError, IIIFError, SourceError, DecodeError) as error:
            logger.warning("No thumbnail of %d pixels of %s: %s", box, identifier, error)
    return len(made)


def _boxes(identifier: str) -> tuple[int, ...]:
    """Of the image's profile; none where there is nothing to make them of."""
    try:
        return get_served_image(identifier).profile.thumbnail_boxes
    except (ImageNotFoundError, ImageNotReadyError) as error:
        logger.warning("No thumbnails of %s: %s", identifier, error)
        return ()


def _thumbnail(served: ServedImage, box: int) -> ResolvedRequest:
    request = parse_image_request("full", f"!{box},{box}", "0", "default.jpg", ApiVersion.V3)
    return resolve(request, served.full, served.capabilities, is_grayscale=served.description.is_grayscale)


def _keep_levels(identifier: str) -> None:
    """Decode the small levels once; whatever is made of them later starts there."""
    try:
        levels.image_keep_levels(get_served_image(identifier))
    except (ImageNotFoundError, ImageNotReadyError, SourceError, DecodeError) as error:
        logger.warning("The small levels of %s are not kept: %s", identifier, error)
