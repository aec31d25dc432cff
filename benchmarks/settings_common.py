"""What all variants of this server share: tiles of 256 pixels, so that every server is asked for the same."""

from iiifserver.settings.development import *  # noqa: F403

IIIF_TILE_SIZE = 256
IIIF_MAX_AREA = None  # full/max of 108 megapixels is one of the requests
IIIF_MAX_WIDTH = None
