"""The named features of the Image API and the version that has each (3.0 §5.7, 2.1 §5.3)."""

import enum

from images.iiif.version import ApiVersion


class Feature(enum.StrEnum):
    """Spelled as in info.json. The deprecated sizeByWhListed and sizeByForcedWh of 2.1 are left out."""

    BASE_URI_REDIRECT = "baseUriRedirect"
    CANONICAL_LINK_HEADER = "canonicalLinkHeader"
    CORS = "cors"
    JSONLD_MEDIA_TYPE = "jsonldMediaType"
    MIRRORING = "mirroring"
    PROFILE_LINK_HEADER = "profileLinkHeader"
    REGION_BY_PCT = "regionByPct"
    REGION_BY_PX = "regionByPx"
    REGION_SQUARE = "regionSquare"
    ROTATION_ARBITRARY = "rotationArbitrary"
    ROTATION_BY_90S = "rotationBy90s"
    SIZE_ABOVE_FULL = "sizeAboveFull"
    SIZE_BY_CONFINED_WH = "sizeByConfinedWh"
    SIZE_BY_DISTORTED_WH = "sizeByDistortedWh"
    SIZE_BY_H = "sizeByH"
    SIZE_BY_PCT = "sizeByPct"
    SIZE_BY_W = "sizeByW"
    SIZE_BY_WH = "sizeByWh"
    SIZE_UPSCALING = "sizeUpscaling"


_ONLY_IN_V2 = frozenset({Feature.SIZE_ABOVE_FULL, Feature.SIZE_BY_DISTORTED_WH})
_ONLY_IN_V3 = frozenset({Feature.SIZE_UPSCALING})

FEATURES = {
    ApiVersion.V2: frozenset(Feature) - _ONLY_IN_V3,
    ApiVersion.V3: frozenset(Feature) - _ONLY_IN_V2,
}
"""The features that each version has a name for."""

UPSCALING_FEATURE = {
    ApiVersion.V2: Feature.SIZE_ABOVE_FULL,
    ApiVersion.V3: Feature.SIZE_UPSCALING,
}
"""The feature by which each version allows sizes larger than the region."""
