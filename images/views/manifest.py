"""The IIIF Presentation 3.0 manifest of one image."""

import hashlib
import json

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from images.conf import conf
from images.iiif.geometry import Size
from images.iiif.identifiers import validate_identifier
from images.iiif.manifest import MEDIA_TYPE, ImageServices, ManifestImage, build_manifest
from images.iiif.scaling import fit
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage, get_served_image
from images.views.errors import SERVED_ERRORS, error_response, exception_response
from images.views.iiif import options_response, service_uri

THUMBNAIL = Size(400, 400)
_METHODS = ("GET", "HEAD", "OPTIONS")


def manifest_view(request: HttpRequest, identifier: str) -> HttpResponse:
    """GET and HEAD answer the manifest, OPTIONS what a browser asks before; errors are JSON."""
    if request.method == "OPTIONS":
        return _with_cors(options_response())
    if request.method not in _METHODS:
        detail = "Only GET, HEAD and OPTIONS are answered here."
        response = error_response(405, "method_not_allowed", detail)
        response["Allow"] = ", ".join(_METHODS)
        return _with_cors(response)
    try:
        validate_identifier(identifier)
        served = get_served_image(identifier)
    except SERVED_ERRORS as error:
        return _with_cors(exception_response(error))
    return _with_cors(_manifest_response(request, served))


def _manifest_response(request: HttpRequest, served: ServedImage) -> HttpResponse:
    manifest = build_manifest(_manifest_image(request, served))
    body = json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = HttpResponse(body, content_type=MEDIA_TYPE)
    response["ETag"] = etag
    response["Cache-Control"] = conf.cache_control_information
    answer = get_conditional_response(request, etag=etag, response=response)
    return answer or response


def _manifest_image(request: HttpRequest, served: ServedImage) -> ManifestImage:
    identifier = served.identifier
    capabilities = conf.capabilities
    return ManifestImage(
        manifest_uri=f"{service_uri(request, '/iiif/presentation/3/', identifier)}/manifest",
        page_uri=service_uri(request, "/view/", identifier),
        services=ImageServices(
            uri_2=service_uri(request, "/iiif/2/", identifier),
            uri_3=service_uri(request, "/iiif/3/", identifier),
            level_2=capabilities.level(ApiVersion.V2),
            level_3=capabilities.level(ApiVersion.V3),
        ),
        full=served.full,
        largest=_fitted(served, served.full),
        thumbnail=_fitted(served, THUMBNAIL),
        label=served.label or identifier,
        rights=served.rights,
        attribution=served.attribution,
        metadata=served.metadata,
    )


def _fitted(served: ServedImage, box: Size) -> Size:
    """The largest size of the whole image within a box and the image's limits, not enlarged."""
    full = served.full
    inner = Size(min(full.width, box.width), min(full.height, box.height))
    return fit(full, inner, served.limits)


def _with_cors(response: HttpResponse) -> HttpResponse:
    response["Access-Control-Allow-Origin"] = "*"
    return response
