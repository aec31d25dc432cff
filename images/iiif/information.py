"""The image information, info.json, of both versions (Image API 3.0 §5, 2.1 §5)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.geometry import Size
from images.iiif.levels import LEVELS
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.iiif.tiles import TileSet
from images.iiif.version import ApiVersion

_URI = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class ImageInformation:
    """All that an info.json says.

    `uri`: the base URI, as the client asked for it, without a trailing slash. `sizes` and `tiles` over the limits are
    left out, and all of them where the capabilities don't answer them, unless `is_static`: then they lie there as
    files. `rights`: the URI of a license or rights statement; anything else is left out. `attribution` (may be HTML)
    and `logo` are in 2.1 only, `part_of`, `see_also` and `preferred_formats` in 3.0 only. `contexts`: URIs of the
    extensions used in `services` and `extra` (3.0). `extra` never replaces a property of the specification.
    """

    uri: str
    full: Size
    capabilities: Capabilities
    sizes: tuple[Size, ...] = ()
    tiles: tuple[TileSet, ...] = ()
    is_grayscale: bool = False
    is_static: bool = False
    rights: str = ""
    attribution: str = ""
    logo: str = ""
    preferred_formats: tuple[OutputFormat, ...] = ()
    part_of: tuple[Mapping[str, Any], ...] = ()
    see_also: tuple[Mapping[str, Any], ...] = ()
    services: tuple[Mapping[str, Any], ...] = ()
    contexts: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def build(information: ImageInformation, api_version: ApiVersion) -> dict[str, Any]:
    """The document, ready for JSON, its properties in the specification's order: `@context` first."""
    document = _build_v2(information) if api_version is ApiVersion.V2 else _build_v3(information)
    present = {name: value for name, value in document.items() if value not in ("", [], {})}
    return present | {name: value for name, value in information.extra.items() if name not in document}


def _build_v3(information: ImageInformation) -> dict[str, Any]:
    capabilities = information.capabilities
    context_uri = ApiVersion.V3.context_uri
    formats = capabilities.formats
    return {
        "@context": [*information.contexts, context_uri] if information.contexts else context_uri,
        "id": information.uri,
        "type": "ImageService3",
        "protocol": ApiVersion.V3.protocol,
        "profile": f"level{capabilities.level(ApiVersion.V3)}",
        "width": information.full.width,
        "height": information.full.height,
        **_limits(capabilities.limits),
        "sizes": _sizes(information, ApiVersion.V3),
        "tiles": _tiles(information, ApiVersion.V3),
        "preferredFormats": [str(name) for name in information.preferred_formats if name in formats],
        "rights": _rights(information),
        "extraQualities": _extra_qualities(information, beyond=frozenset({Quality.DEFAULT})),
        "extraFormats": _extra_formats(capabilities, ApiVersion.V3),
        "extraFeatures": _extra_features(capabilities, ApiVersion.V3),
        "partOf": [dict(item) for item in information.part_of],
        "seeAlso": [dict(item) for item in information.see_also],
        "service": [dict(item) for item in information.services],
    }


def _build_v2(information: ImageInformation) -> dict[str, Any]:
    capabilities = information.capabilities
    level = capabilities.level(ApiVersion.V2)
    beyond = LEVELS[ApiVersion.V2][level].qualities
    description = {
        "formats": _extra_formats(capabilities, ApiVersion.V2),
        "qualities": _extra_qualities(information, beyond=beyond),
        "supports": _extra_features(capabilities, ApiVersion.V2),
        **_limits(capabilities.limits),
    }
    present = {name: value for name, value in description.items() if value != []}
    profile: list[Any] = [ApiVersion.V2.profile_uri(level)]
    return {
        "@context": ApiVersion.V2.context_uri,
        "@id": information.uri,
        "protocol": ApiVersion.V2.protocol,
        "width": information.full.width,
        "height": information.full.height,
        "sizes": _sizes(information, ApiVersion.V2),
        "tiles": _tiles(information, ApiVersion.V2),
        "profile": [*profile, present] if present else profile,
        "attribution": information.attribution,
        "license": _rights(information),
        "logo": information.logo,
        "service": [dict(item) for item in information.services],
    }


def _limits(limits: Limits) -> dict[str, int]:
    values = {
        "maxWidth": limits.max_width,
        "maxHeight": limits.max_height,
        "maxArea": limits.max_area,
    }
    return {name: value for name, value in values.items() if value is not None}


def _sizes(information: ImageInformation, api_version: ApiVersion) -> list[dict[str, int]]:
    """A size in `sizes` must be served as `w,h` (3.0 §5.3), in 2.1 as `w,` too (2.1 §5.2)."""
    needed = {Feature.SIZE_BY_WH}
    if api_version is ApiVersion.V2:
        needed.add(Feature.SIZE_BY_W)
    if not information.is_static and not needed <= information.capabilities.features:
        return []
    limits = information.capabilities.limits
    return [{"width": size.width, "height": size.height} for size in information.sizes if limits.allow(size)]


def _tiles(information: ImageInformation, api_version: ApiVersion) -> list[dict[str, Any]]:
    """A tile is asked for by `x,y,w,h` and the canonical size: `w,h` in 3.0, `w,` in 2.1."""
    by_size = Feature.SIZE_BY_W if api_version is ApiVersion.V2 else Feature.SIZE_BY_WH
    needed = {Feature.REGION_BY_PX, by_size}
    if not information.is_static and not needed <= information.capabilities.features:
        return []
    limits = information.capabilities.limits
    return [_tile(tiles) for tiles in information.tiles if limits.allow(tiles.size)]


def _tile(tiles: TileSet) -> dict[str, Any]:
    tile: dict[str, Any] = {"width": tiles.size.width}
    if tiles.size.height != tiles.size.width:
        tile["height"] = tiles.size.height
    return tile | {"scaleFactors": list(tiles.scale_factors)}


def _rights(information: ImageInformation) -> str:
    return information.rights if _URI.fullmatch(information.rights) else ""


def _extra_qualities(information: ImageInformation, beyond: frozenset[Quality]) -> list[str]:
    """`color` isn't listed for a gray source (3.0 §4.4)."""
    listed = information.capabilities.qualities - beyond
    if information.is_grayscale:
        listed -= {Quality.COLOR}
    return _in_order(Quality, listed)


def _extra_formats(capabilities: Capabilities, api_version: ApiVersion) -> list[str]:
    level = LEVELS[api_version][capabilities.level(api_version)]
    return _in_order(OutputFormat, capabilities.formats - level.formats)


def _extra_features(capabilities: Capabilities, api_version: ApiVersion) -> list[str]:
    level = LEVELS[api_version][capabilities.level(api_version)]
    return _in_order(Feature, capabilities.supported_features(api_version) - level.features)


def _in_order(names: Iterable[str], chosen: frozenset[Any]) -> list[str]:
    """In the order of the enumeration: the same document, byte for byte, from every process."""
    return [str(name) for name in names if name in chosen]
