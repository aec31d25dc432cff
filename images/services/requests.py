"""A request that came from a command line: parsed and resolved as the web server would."""

from dataclasses import dataclass

from images.decoders.errors import DecodeError
from images.iiif.errors import IIIFError
from images.iiif.path import parse_path
from images.iiif.request import ResolvedRequest, parse_image_request, resolve
from images.iiif.version import ApiVersion
from images.selectors.images import ImageNotFoundError, ImageNotReadyError, ServedImage, get_served_image
from images.sources.errors import SourceError

REQUEST_ERRORS = (IIIFError, ImageNotFoundError, ImageNotReadyError, SourceError, DecodeError)


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """An image and the pixels of it that are asked for."""

    served: ServedImage
    resolved: ResolvedRequest


def resolve_request(
    identifier: str,
    region: str,
    size: str,
    rotation: str,
    quality_format: str,
    api_version: ApiVersion = ApiVersion.V3,
) -> KnownRequest:
    """Raises IIIFError, ImageNotFoundError, ImageNotReadyError."""
    parse_path(f"{identifier}/info.json")  # refuses what no identifier may hold
    request = parse_image_request(region, size, rotation, quality_format, api_version)
    served = get_served_image(identifier)
    capabilities = served.capabilities
    return KnownRequest(
        served, resolve(request, served.full, capabilities, is_grayscale=served.description.is_grayscale)
    )


def resolve_whole(served: ServedImage, size: str = "max", quality_format: str = "default.jpg") -> ResolvedRequest:
    """A request for the whole image, upright. Raises IIIFError where the server would refuse it."""
    request = parse_image_request("full", size, "0", quality_format, ApiVersion.V3)
    return resolve(request, served.full, served.capabilities, is_grayscale=served.description.is_grayscale)
