"""Which requests are foreseen: those that info.json, viewers and pages lead to. Of all others there is no end."""

from images.decoders.metatiles import Grid
from images.iiif.geometry import Region, Size
from images.iiif.request import ResolvedRequest
from images.iiif.tiles import tile_set
from images.selectors.images import ServedImage
from images.services.information import image_information

_THUMBNAIL_PIXELS = 400
USUAL_TILES = (Size(256, 256), Size(512, 512))
"""What viewers ask for that do not go by info.json, or by an old one."""


def tile_sizes(served: ServedImage, resolved: ResolvedRequest) -> tuple[Size, ...]:
    """Those of the grids that viewers know: what info.json says comes first."""
    advertised = tile_set(served.full, served.tile, resolved.limits).size
    return (advertised, *(side for side in USUAL_TILES if side != advertised))


def is_foreseen(served: ServedImage, resolved: ResolvedRequest) -> bool:
    """Whether it is a tile of a grid, an advertised size of the image, or a thumbnail of it; upright. Pure."""
    if not resolved.rotation.is_none:
        return False
    region, size = resolved.region, resolved.size
    if region.size == served.full:
        return _is_small(size) or size in image_information(served, "").sizes
    if _is_middle_square(served.full, region) and _is_small(size):
        return True
    return any(Grid(served.full, tile, 1).find(region, size) is not None for tile in tile_sizes(served, resolved))


def _is_small(size: Size) -> bool:
    return max(size.width, size.height) <= _THUMBNAIL_PIXELS


def _is_middle_square(full: Size, region: Region) -> bool:
    """The region `square` (Image API 3.0, section 4.1)."""
    return region.width == region.height == min(full.width, full.height)
