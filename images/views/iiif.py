"""The IIIF endpoints: each request is one column of calls, cheapest question first."""

import re
from typing import TypeVar
from urllib.parse import parse_qs

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date

from caching.derivatives import Derivative
from images.conf import conf
from images.iiif.canonical import canonical_path, find_canonical_path
from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.identifiers import encode_identifier
from images.iiif.information import build
from images.iiif.links import image_link_header, image_uri, information_link_header
from images.iiif.negotiation import information_media_type
from images.iiif.path import BasePath, ImagePath, InformationPath, parse_path
from images.iiif.request import ResolvedRequest, parse_image_request, resolve
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage, get_served_image
from images.services.information import image_information, information_body, information_etag
from images.services.rendering import derivative_key, image_find_derivative, image_render, render_plan
from images.views.errors import SERVED_ERRORS, error_response, exception_response

Response = TypeVar("Response", bound=HttpResponseBase)

_METHODS = ("GET", "HEAD", "OPTIONS")
_CORS_REQUEST_HEADERS = "Accept, Authorization, Content-Type, If-None-Match, Range, X-Requested-With"
_WHOLE_BYTES = 1_048_576  # larger bodies are relayed piece by piece
_QUERY_CHARACTERS = 200  # nothing but `download` is looked for
_UNSAFE_IN_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def versioned_iiif_view(request: HttpRequest, version: str, rest: str) -> HttpResponseBase:
    return iiif_view(request, rest, int(version))


def iiif_view(request: HttpRequest, rest: str, version: int | None = None) -> HttpResponseBase:
    """Everything below /iiif/2/, /iiif/3/ and /iiif/ (the configured default version)."""
    api_version = ApiVersion(version or conf.default_api_version)
    prefix = f"/iiif/{version}/" if version else "/iiif/"
    if request.method not in _METHODS:
        return _with_allow(error_response(405, "method_not_allowed", "Only GET, HEAD and OPTIONS are answered here."))
    if request.method == "OPTIONS":
        return options_response()
    try:
        match parse_path(rest):
            case ImagePath() as path:
                return _image(request, path, api_version, prefix)
            case InformationPath(identifier):
                return _information(request, identifier, api_version, prefix)
            case BasePath(identifier):
                return _base(request, identifier, prefix)
    except SERVED_ERRORS as error:
        return exception_response(error)


def service_uri(request: HttpRequest, prefix: str, identifier: str) -> str:
    """The public base URI of an image's service: IIIF_BASE_URL, else scheme and host of the request."""
    base = conf.base_url or f"{request.scheme}://{request.get_host()}"
    return f"{base}{prefix}{encode_identifier(identifier)}"


def options_response() -> HttpResponse:
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = ", ".join(_METHODS)
    response["Access-Control-Allow-Headers"] = _CORS_REQUEST_HEADERS
    response["Access-Control-Max-Age"] = "86400"
    return _with_allow(response)


def _with_allow(response: HttpResponse) -> HttpResponse:
    response["Allow"] = ", ".join(_METHODS)
    return response


def _base(request: HttpRequest, identifier: str, prefix: str) -> HttpResponse:
    """The base URI redirects to the image information (Image API 3.0 section 2)."""
    get_served_image(identifier)
    response = HttpResponse(status=303)
    response["Location"] = f"{service_uri(request, prefix, identifier)}/info.json"
    response["Cache-Control"] = conf.cache_control_information
    return response


def _information(request: HttpRequest, identifier: str, api_version: ApiVersion, prefix: str) -> HttpResponse:
    served = get_served_image(identifier)
    uri = service_uri(request, prefix, identifier)
    media_type = information_media_type(request.headers.get("Accept"), api_version)
    etag = information_etag(served, uri, api_version, media_type)
    modified = max(served.modified, served.record_modified)
    response = get_conditional_response(request, etag, int(modified.timestamp()))
    if response is None:
        information = image_information(served, uri)
        response = HttpResponse(information_body(build(information, api_version)), content_type=media_type)
    response["Link"] = information_link_header(media_type, _profile_level(conf.capabilities, api_version), api_version)
    response["Vary"] = "Accept"
    return _with_validators(response, etag, modified.timestamp(), conf.cache_control_information)


def _image(request: HttpRequest, path: ImagePath, api_version: ApiVersion, prefix: str) -> HttpResponseBase:
    parameters = parse_image_request(path.region, path.size, path.rotation, path.quality_format, api_version)
    served = get_served_image(path.identifier)
    capabilities = conf.capabilities_within(served.limits)
    resolved = resolve(parameters, served.full, capabilities, is_grayscale=served.description.is_grayscale)
    uri = service_uri(request, prefix, path.identifier)
    links = _image_links(uri, served, resolved, capabilities, api_version)
    etag = derivative_key(served, resolved).etag
    response: HttpResponseBase | None = get_conditional_response(request, etag, int(served.modified.timestamp()))
    if response is None:
        response = _head(served, resolved) if request.method == "HEAD" else _body(image_render(served, resolved))
    response["Link"] = links
    disposition = "attachment" if _wants_download(request) else "inline"
    response["Content-Disposition"] = f"{disposition}; filename={_file_name(served, resolved)}"
    if response.streaming and "Content-Length" not in response:
        # A body that ends early cannot be told from a whole one, so nobody may keep it: the next answer comes from the
        # cache, with its length and its ETag.
        response["Cache-Control"] = "no-store"
        return response
    return _with_validators(response, etag, served.modified.timestamp(), conf.cache_control_image)


def _head(served: ServedImage, resolved: ResolvedRequest) -> HttpResponse:
    """The headers of the image; its length only where it is known without decoding."""
    derivative = image_find_derivative(served, resolved)
    if derivative is None:
        render_plan(served, resolved)
        return HttpResponse(content_type=resolved.format.media_type)
    response = HttpResponse(content_type=derivative.content_type)
    if derivative.length is not None:
        response["Content-Length"] = str(derivative.length)
    derivative.close()
    return response


def _body(derivative: Derivative) -> HttpResponseBase:
    response: HttpResponseBase
    if derivative.length is None or derivative.length > _WHOLE_BYTES:
        response = StreamingHttpResponse(derivative.chunks, content_type=derivative.content_type)
    else:
        response = HttpResponse(b"".join(derivative.chunks), content_type=derivative.content_type)
    if derivative.length is not None:
        response["Content-Length"] = str(derivative.length)
    return response


def _with_validators(response: Response, etag: str, modified_seconds: float, cache_control: str) -> Response:
    response["ETag"] = etag
    response["Last-Modified"] = http_date(modified_seconds)
    response["Cache-Control"] = cache_control
    return response


def _image_links(
    uri: str, served: ServedImage, resolved: ResolvedRequest, capabilities: Capabilities, api_version: ApiVersion
) -> str:
    canonical = None
    if Feature.CANONICAL_LINK_HEADER in capabilities.features:
        path = find_canonical_path(resolved, served.full, api_version, capabilities)
        canonical = None if path is None else image_uri(uri, path)
    return image_link_header(canonical, _profile_level(capabilities, api_version), api_version)


def _profile_level(capabilities: Capabilities, api_version: ApiVersion) -> int | None:
    if Feature.PROFILE_LINK_HEADER not in capabilities.features:
        return None
    return capabilities.level(api_version)


def _wants_download(request: HttpRequest) -> bool:
    query = str(request.META.get("QUERY_STRING", ""))[:_QUERY_CHARACTERS]
    return "download" in parse_qs(query, keep_blank_values=True)


def _file_name(served: ServedImage, resolved: ResolvedRequest) -> str:
    """A name for a saved picture: ASCII letters, digits, dots and dashes only, so nothing in it needs escaping."""
    region, size = canonical_path(resolved, served.full, ApiVersion.V3).split("/")[:2]
    if size == "max":
        size = f"{resolved.size.width},{resolved.size.height}"
    name = _UNSAFE_IN_FILE_NAME.sub("-", f"{served.identifier}-{region}-{size}").strip("-.")
    return f"{name[-150:]}.{resolved.format}"
