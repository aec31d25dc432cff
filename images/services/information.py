"""The image information of a served image: what info.json says, from the same record as the tiles."""

import hashlib
import json
from typing import Any

from images.conf import conf
from images.iiif.information import ImageInformation
from images.iiif.tiles import level_sizes, tile_set
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage


def image_information(served: ServedImage, uri: str) -> ImageInformation:
    """All that info.json needs; `uri` is the public base URI of the image's service."""
    capabilities = conf.capabilities_within(served.limits)
    tiles = tile_set(served.full, served.tile, capabilities.limits)
    return ImageInformation(
        uri=uri,
        full=served.full,
        sizes=level_sizes(served.full, tiles.scale_factors, capabilities.limits),
        tiles=(tiles,),
        capabilities=capabilities,
        is_grayscale=served.description.is_grayscale,
        rights=served.rights,
        attribution=served.attribution,
    )


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
        repr(sorted(conf.capabilities.features)),
        repr(sorted(conf.capabilities.formats)),
        repr(sorted(conf.capabilities.qualities)),
        repr(served.limits),
    ]
    return f'"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"'
