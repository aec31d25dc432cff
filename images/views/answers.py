"""What an image request is answered with, short of its body: the same through Django and on the short way past it."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import parse_qs

from django.utils.http import http_date

from caching.keys import DerivativeKey
from images.conf import conf
from images.iiif.canonical import canonical_path, find_canonical_path
from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.identifiers import encode_identifier
from images.iiif.links import image_link_header, image_uri
from images.iiif.request import ImageRequest, ResolvedRequest, resolve
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage
from images.services.planning import derivative_key

_QUERY_CHARACTERS = 200  # nothing but `download` is looked for
_UNSAFE_IN_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """A request that was resolved against one version of its image.

    `modified_seconds` are those since 1970. `validators`: ETag, Last-Modified and Cache-Control; a body that may end
    early has none of them.
    """

    served: ServedImage
    resolved: ResolvedRequest
    key: DerivativeKey
    etag: str
    modified_seconds: int
    headers: Headers
    validators: Headers


def image_answer(served: ServedImage, request: ImageRequest, service_root: str, query: str) -> ImageAnswer:
    """Resolve a request; `service_root` stands before the identifier in public URIs. Pure; raises IIIFError."""
    capabilities = served.capabilities
    resolved = resolve(request, served.full, capabilities, is_grayscale=served.description.is_grayscale)
    key = derivative_key(served, resolved)
    etag = key.etag
    uri = service_root + encode_identifier(served.identifier)
    disposition = "attachment" if query and _wants_download(query) else "inline"
    modified_seconds, last_modified = _http_time(served.modified)
    headers = (
        ("Link", _image_links(uri, served, resolved, capabilities, request.api_version)),
        ("Content-Disposition", f"{disposition}; filename={_file_name(served, resolved)}"),
    )
    validators = (
        ("ETag", etag),
        ("Last-Modified", last_modified),
        ("Cache-Control", conf.cache_control_image),
    )
    return ImageAnswer(served, resolved, key, etag, modified_seconds, headers, validators)


@lru_cache(maxsize=1024)
def _http_time(moment: datetime) -> tuple[int, str]:
    seconds = moment.timestamp()
    return int(seconds), http_date(seconds)


@lru_cache(maxsize=1024)
def profile_level(capabilities: Capabilities, api_version: ApiVersion) -> int | None:
    """The compliance level that the Link header names; None where that is switched off."""
    if Feature.PROFILE_LINK_HEADER not in capabilities.features:
        return None
    return capabilities.level(api_version)


def _image_links(
    uri: str, served: ServedImage, resolved: ResolvedRequest, capabilities: Capabilities, api_version: ApiVersion
) -> str:
    canonical = None
    if Feature.CANONICAL_LINK_HEADER in capabilities.features:
        path = find_canonical_path(resolved, served.full, api_version, capabilities)
        canonical = None if path is None else image_uri(uri, path)
    return image_link_header(canonical, profile_level(capabilities, api_version), api_version)


def _wants_download(query: str) -> bool:
    return "download" in parse_qs(query[:_QUERY_CHARACTERS], keep_blank_values=True)


def _file_name(served: ServedImage, resolved: ResolvedRequest) -> str:
    """A name for a saved picture: ASCII letters, digits, dots and dashes only, so nothing in it needs escaping."""
    region, size = canonical_path(resolved, served.full, ApiVersion.V3).split("/", 2)[:2]
    if not resolved.is_upscaled:
        size = f"{resolved.size.width},{resolved.size.height}"
    name = _UNSAFE_IN_FILE_NAME.sub("-", f"{served.identifier}-{region}-{size}").strip("-.")
    return f"{name[-150:]}.{resolved.format}"
