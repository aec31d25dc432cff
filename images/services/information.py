"""The image information of a served image: what info.json says, from the same record as the tiles."""

import hashlib
import json
from typing import Any

from images.iiif.extras import parse_extras
from images.iiif.geometry import Size
from images.iiif.information import ImageInformation
from images.iiif.thumbnails import listed_sizes, thumbnail_sizes
from images.iiif.tiles import level_sizes, tile_set
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage


def image_information(served: ServedImage, uri: str) -> ImageInformation:
    """All that info.json needs; `uri` is the public base URI of the image's service."""
    capabilities = served.capabilities
    tiles = tile_set(served.full, served.tile, capabilities.limits)
    information = ImageInformation(
        uri=uri,
        full=served.full,
        sizes=_sizes(served, tiles.scale_factors),
        tiles=(tiles,),
        capabilities=capabilities,
        is_grayscale=served.description.is_grayscale,
        rights=served.rights,
        attribution=served.attribution,
    )
    return parse_extras(served.information).add_to(information)


def _sizes(served: ServedImage, scale_factors: tuple[int, ...]) -> tuple[Size, ...]:
    levels = level_sizes(served.full, scale_factors, served.limits)
    thumbnails = thumbnail_sizes(served.full, served.profile.thumbnail_boxes, served.limits)
    return listed_sizes(levels, thumbnails, scale_factors)


def information_body(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode()


def information_etag(served: ServedImage, uri: str, api_version: ApiVersion, media_type: str) -> str:
    """Changes with the version, the record, the configuration and the address under which the image is asked for."""
    facts = [
        served.uuid,
        str(served.version),
        served.record_modified.isoformat(),
        uri,
        str(int(api_version)),
        media_type,
        repr(sorted(served.capabilities.features)),
        repr(sorted(served.capabilities.formats)),
        repr(sorted(served.capabilities.qualities)),
        repr(served.limits),
        repr(served.tile),
        served.rights,
        served.attribution,
        json.dumps(served.information, sort_keys=True),
        repr(served.profile.thumbnail_boxes),
    ]
    return f'"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"'
