"""What the specification asks for, level by level, beside what is switched on here."""

from dataclasses import dataclass

from images.iiif.capabilities import Capabilities
from images.iiif.features import FEATURES, Feature
from images.iiif.levels import LEVELS
from images.iiif.output import OutputFormat, Quality
from images.iiif.version import ApiVersion


@dataclass(frozen=True, slots=True)
class ComplianceRow:
    """One thing that can be asked for.

    `parameter`: region, size, rotation, quality, format or http. `feature`: its name in info.json, or "" where it has
    none. `required`: the lowest compliance level that requires it, or None where all leave it optional.
    """

    parameter: str
    feature: str
    syntax: str
    required: int | None
    supported: bool


_SYNTAX: dict[str, tuple[tuple[Feature, str], ...]] = {
    "region": (
        (Feature.REGION_BY_PX, "x,y,w,h"),
        (Feature.REGION_BY_PCT, "pct:x,y,w,h"),
        (Feature.REGION_SQUARE, "square"),
    ),
    "size": (
        (Feature.SIZE_BY_W, "w,"),
        (Feature.SIZE_BY_H, ",h"),
        (Feature.SIZE_BY_PCT, "pct:n"),
        (Feature.SIZE_BY_WH, "w,h"),
        (Feature.SIZE_BY_DISTORTED_WH, "w,h (another aspect ratio)"),
        (Feature.SIZE_BY_CONFINED_WH, "!w,h"),
        (Feature.SIZE_ABOVE_FULL, "any form (larger than the region)"),
        (Feature.SIZE_UPSCALING, "^max ^w, ^,h ^pct:n ^w,h ^!w,h"),
    ),
    "rotation": (
        (Feature.ROTATION_BY_90S, "90 180 270"),
        (Feature.ROTATION_ARBITRARY, "n"),
        (Feature.MIRRORING, "!n"),
    ),
    "http": (
        (Feature.BASE_URI_REDIRECT, "{base URI} → info.json"),
        (Feature.CORS, "Access-Control-Allow-Origin"),
        (Feature.JSONLD_MEDIA_TYPE, "Accept: application/ld+json"),
        (Feature.PROFILE_LINK_HEADER, 'Link rel="profile"'),
        (Feature.CANONICAL_LINK_HEADER, 'Link rel="canonical"'),
    ),
}
"""The features of each parameter, in the order of the compliance documents."""


def compliance_table(capabilities: Capabilities, api_version: ApiVersion) -> tuple[ComplianceRow, ...]:
    """All rows of one version, grouped by parameter in the order of a URL, HTTP last."""
    quality_rows = tuple(
        ComplianceRow(
            "quality",
            "",
            quality,
            _required(quality, api_version),
            capabilities.has_quality(quality, api_version),
        )
        for quality in Quality
    )
    format_rows = tuple(
        ComplianceRow("format", "", name, _required(name, api_version), name in capabilities.formats)
        for name in OutputFormat
    )
    return (
        ComplianceRow("region", "", "full", 0, supported=True),
        *_feature_rows("region", capabilities, api_version),
        *_size_keyword_rows(api_version),
        *_feature_rows("size", capabilities, api_version),
        ComplianceRow("rotation", "", "0", 0, supported=True),
        *_feature_rows("rotation", capabilities, api_version),
        *quality_rows,
        *format_rows,
        *_feature_rows("http", capabilities, api_version),
    )


def _size_keyword_rows(api_version: ApiVersion) -> tuple[ComplianceRow, ...]:
    if api_version is ApiVersion.V3:
        return (ComplianceRow("size", "", "max", 0, supported=True),)
    return (
        ComplianceRow("size", "", "full", 0, supported=True),
        ComplianceRow("size", "", "max", None, supported=True),
    )


def _feature_rows(parameter: str, capabilities: Capabilities, api_version: ApiVersion) -> tuple[ComplianceRow, ...]:
    supported = capabilities.supported_features(api_version)
    return tuple(
        ComplianceRow(parameter, feature, syntax, _required(feature, api_version), feature in supported)
        for feature, syntax in _SYNTAX[parameter]
        if feature in FEATURES[api_version]
    )


def _required(item: Feature | Quality | OutputFormat, api_version: ApiVersion) -> int | None:
    """Names of features, qualities and formats don't overlap: one look into all three is enough."""
    for number, level in enumerate(LEVELS[api_version]):
        if item in level.features or item in level.qualities or item in level.formats:
            return number
    return None
