"""The IIIF endpoints: each request is one column of calls, cheapest question first."""

from typing import TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date

from caching.derivatives import Derivative
from caching.traffic import Answered
from images.conf import conf
from images.iiif.identifiers import encode_identifier
from images.iiif.information import build
from images.iiif.links import information_link_header
from images.iiif.negotiation import information_media_type
from images.iiif.path import BasePath, ImagePath, InformationPath, parse_path
from images.iiif.request import ResolvedRequest, parse_image_request
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage
from images.services.copy_answers import copy_wish
from images.services.information import image_information, information_body, information_etag
from images.services.planning import render_plan
from images.services.rendering import image_find_derivative, image_render
from images.services.self_registration import get_or_register_image
from images.services.source_copies import source_prefetch
from images.views.answers import image_answer, profile_level
from images.views.counting import answered_by, counted_as
from images.views.errors import SERVED_ERRORS, error_response, exception_response
from images.views.headers import WHOLE_BYTES

Response = TypeVar("Response", bound=HttpResponseBase)

_METHODS = ("GET", "HEAD", "OPTIONS")
_CORS_REQUEST_HEADERS = "Accept, Authorization, Content-Type, If-None-Match, Range, X-Requested-With"


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
    """The public base URI of an image's service."""
    return service_root(request, prefix) + encode_identifier(identifier)


def service_root(request: HttpRequest, prefix: str) -> str:
    """What stands before an identifier in public URIs: IIIF_BASE_URL, else scheme and host of the request; `prefix`."""
    base = conf.base_url or f"{request.scheme}://{request.get_host()}"
    return f"{base}{prefix}"


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
    get_or_register_image(identifier)
    response = HttpResponse(status=303)
    response["Location"] = f"{service_uri(request, prefix, identifier)}/info.json"
    response["Cache-Control"] = conf.cache_control_information
    return response


def _information(request: HttpRequest, identifier: str, api_version: ApiVersion, prefix: str) -> HttpResponse:
    served = get_or_register_image(identifier)
    uri = service_uri(request, prefix, identifier)
    media_type = information_media_type(request.headers.get("Accept"), api_version)
    etag = information_etag(served, uri, api_version, media_type)
    modified = max(served.modified, served.record_modified)
    response = get_conditional_response(request, etag, int(modified.timestamp()))
    source_prefetch(served)
    if response is None:
        information = image_information(served, uri)
        response = HttpResponse(information_body(build(information, api_version)), content_type=media_type)
    response["Link"] = information_link_header(media_type, profile_level(served.capabilities, api_version), api_version)
    response["Vary"] = "Accept"
    counted_as(response, Answered.INFORMATION if response.status_code == 200 else answered_by(response), identifier)
    return _with_validators(response, etag, modified.timestamp(), conf.cache_control_information)


def _image(request: HttpRequest, path: ImagePath, api_version: ApiVersion, prefix: str) -> HttpResponseBase:
    parameters = parse_image_request(path.region, path.size, path.rotation, path.quality_format, api_version)
    served = get_or_register_image(path.identifier)
    query = str(request.META.get("QUERY_STRING", ""))
    answer = image_answer(served, parameters, service_root(request, prefix), query)
    copy_wish(served, answer.resolved)
    known = get_conditional_response(request, answer.etag, answer.modified_seconds)
    response: HttpResponseBase
    if known is not None:
        response = counted_as(known, answered_by(known), served.identifier)
    elif request.method == "HEAD":
        response = counted_as(_head(served, answer.resolved), Answered.OTHER, served.identifier)
    else:
        derivative = image_render(served, answer.resolved)
        response = counted_as(_body(derivative), derivative.outcome, served.identifier)
    if served.copy is not None:  # which may just have been given up: then the answer has another name
        answer = image_answer(served, parameters, service_root(request, prefix), query)
    for name, value in answer.headers:
        response[name] = value
    if response.streaming and "Content-Length" not in response:
        # A body that ends early cannot be told from a whole one, so nobody may keep it: the next answer comes from the
        # cache, with its length and its ETag.
        response["Cache-Control"] = "no-store"
        return response
    for name, value in answer.validators:
        response[name] = value
    return response


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
    if derivative.length is None or derivative.length > WHOLE_BYTES:
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
