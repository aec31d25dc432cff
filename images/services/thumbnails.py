"""Thumbnails made ahead: what the gallery, the admin and manifests ask for first."""

import logging

from images.conf import conf
from images.decoders.errors import DecodeError
from images.iiif.errors import IIIFError
from images.iiif.request import parse_image_request, resolve
from images.iiif.version import ApiVersion
from images.models import Image
from images.selectors.images import ImageNotFoundError, ImageNotReadyError, get_served_image
from images.services.rendering import image_render
from images.sources.errors import SourceError

logger = logging.getLogger(__name__)

THUMBNAIL_SIZES = ("!200,200", "!400,400")


def image_make_thumbnails(pk: int) -> int:
    """Put the thumbnails of an image into the derivative cache. Returns how many could be made; failures are logged."""
    identifier = Image.objects.values_list("identifier", flat=True).filter(pk=pk).first()
    if identifier is None:
        return 0
    made = 0
    for size in THUMBNAIL_SIZES:
        try:
            served = get_served_image(identifier)
            request = parse_image_request("full", size, "0", "default.jpg", ApiVersion.V3)
            resolved = resolve(request, served.full, conf.capabilities, is_grayscale=served.description.is_grayscale)
            image_render(served, resolved).close()
            made += 1
        except (ImageNotFoundError, ImageNotReadyError, IIIFError, SourceError, DecodeError) as error:
            logger.warning("No thumbnail %s of %s: %s", size, identifier, error)
    return made
