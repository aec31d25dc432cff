"""The canonical form of a request (Image API 3.0 §4.8, 2.1 §4.7) and the name of its pixels."""

from images.iiif.capabilities import Capabilities
from images.iiif.errors import IIIFError
from images.iiif.features import Feature
from images.iiif.geometry import Region, Size
from images.iiif.request import ResolvedRequest, parse_image_request, resolve
from images.iiif.scaling import fit, scale_to_width
from images.iiif.version import ApiVersion

_EVERY_FEATURE = frozenset(Feature)


def canonical_path(resolved: ResolvedRequest, full: Size, api_version: ApiVersion) -> str:
    """`region/size/rotation/quality.format`: the one spelling, in this version, of all requests for these pixels.

    Every character in it may stand in a URI's path as it is, but `^`, which URIs have as `%5E`.
    """
    size = _canonical_size(resolved, api_version)
    return f"{_canonical_region(resolved.region, full)}/{size}/{resolved.rotation}/{resolved.quality}.{resolved.format}"


def find_canonical_path(
    resolved: ResolvedRequest, full: Size, api_version: ApiVersion, capabilities: Capabilities
) -> str | None:
    """The canonical path, or None where a form that it needs is switched off: no link that leads to a 501."""
    path = canonical_path(resolved, full, api_version)
    if capabilities.features >= _EVERY_FEATURE:
        return path
    region, size, rotation, quality_format = path.split("/")
    try:
        again = resolve(
            parse_image_request(region, size, rotation, quality_format, api_version),
            full,
            capabilities,
        )
    except IIIFError:
        return None
    return path if again == resolved else None


def derivative_parameters(resolved: ResolvedRequest) -> str:
    """The same for both versions: equal pixels of one image, and only those, have the same name."""
    region, size = resolved.region, resolved.size
    return (
        f"{region.x},{region.y},{region.width},{region.height}/{size.width},{size.height}/"
        f"{resolved.rotation}/{resolved.quality}.{resolved.format}"
    )


def _canonical_region(region: Region, full: Size) -> str:
    if region == Region(0, 0, full.width, full.height):
        return "full"
    return f"{region.x},{region.y},{region.width},{region.height}"


def _canonical_size(resolved: ResolvedRequest, api_version: ApiVersion) -> str:
    size, region, limits = resolved.size, resolved.region.size, resolved.limits
    if api_version is ApiVersion.V2:
        if size == region:
            return "full"
        if size == scale_to_width(region, size.width):
            return f"{size.width},"
        return f"{size.width},{size.height}"
    if size == fit(region, region, limits):
        return "max"
    if not resolved.is_upscaled:
        return f"{size.width},{size.height}"
    if size == fit(region, None, limits):
        return "^max"
    return f"^{size.width},{size.height}"
