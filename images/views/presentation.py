"""Manifests, collections and named queries (Presentation API 3.0 and 2.1), and the feed of changes."""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from images.conf import conf
from images.iiif import collection as collections
from images.iiif.activities import MEDIA_TYPE as ACTIVITY_TYPE
from images.iiif.activities import Activity, Feed, build_feed, build_feed_page
from images.iiif.collection import Listing, Member
from images.iiif.geometry import Size
from images.iiif.identifiers import encode_identifier, validate_identifier
from images.iiif.manifest import MEDIA_TYPE, CanvasImage, Facts, ImageServices, Work, build_manifest
from images.iiif.manifest_2 import MEDIA_TYPE as MEDIA_TYPE_2
from images.iiif.manifest_2 import build_manifest_2
from images.iiif.queries import QueryArgumentsError, parse_query_template
from images.iiif.scaling import fit
from images.iiif.version import ApiVersion
from images.models import Collection
from images.selectors.activities import count_activities, find_activities
from images.selectors.named_queries import (
    QueryNotFoundError,
    TooManyImagesError,
    find_query,
    get_named_query,
    list_images,
)
from images.selectors.presentation import (
    CollectionNotFoundError,
    PresentedImage,
    count_collection,
    count_collections,
    get_collection,
    list_collection,
    list_collections,
    presented,
)
from images.services.self_registration import get_or_register_image
from images.views.errors import SERVED_ERRORS, error_response, exception_response
from images.views.iiif import options_response, service_root, service_uri
from images.views.query_rate import QueryRateError, admission

THUMBNAIL = Size(400, 400)
_METHODS = ("GET", "HEAD", "OPTIONS")
_MAX_PAGE_DIGITS = 9

View = Callable[..., HttpResponse]


class PageNotFoundError(LookupError):
    """A collection or a feed has fewer pages."""


def _answering(view: View) -> View:
    """GET and HEAD answer JSON, OPTIONS what a browser asks before; errors are JSON; anybody may read all of it."""

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: str) -> HttpResponse:
        if request.method == "OPTIONS":
            return _with_cors(options_response())
        if request.method not in _METHODS:
            detail = "Only GET, HEAD and OPTIONS are answered here."
            response = error_response(405, "method_not_allowed", detail)
            response["Allow"] = ", ".join(_METHODS)
            return _with_cors(response)
        try:
            return _with_cors(view(request, **kwargs))
        except (CollectionNotFoundError, QueryNotFoundError, PageNotFoundError) as error:
            return _with_cors(error_response(404, "not_found", str(error)))
        except QueryArgumentsError as error:
            return _with_cors(error_response(400, "malformed_arguments", str(error)))
        except QueryRateError as error:
            response = error_response(429, "too_many_requests", str(error), retry_after=error.seconds)
            response["Cache-Control"] = "no-store"
            return _with_cors(response)
        except TooManyImagesError as error:
            return _with_cors(error_response(400, "limit_exceeded", str(error)))
        except (*SERVED_ERRORS, DatabaseError) as error:
            return _with_cors(exception_response(error))

    return answer


@_answering
def manifest_view(request: HttpRequest, version: str, identifier: str) -> HttpResponse:
    """The manifest of one image."""
    validate_identifier(identifier)
    image = presented(get_or_register_image(identifier))
    canvas = _canvas(request, image)
    work = Work(
        manifest_uri=_manifest_uri(request, version, identifier),
        page_uri=service_uri(request, "/view/", identifier),
        facts=canvas.facts,
        canvases=(canvas,),
    )
    return _work_response(request, version, work)


@_answering
def query_view(request: HttpRequest, version: str, name: str, arguments: str) -> HttpResponse:
    """The manifest of the images that a named query finds; of many a collection of manifests, `…/pages/{number}`."""
    query = get_named_query(name)
    template = parse_query_template(query.template)
    given, number = _query_page([part for part in arguments.split("/") if part], template.arity)
    keys, length = find_query(template, given, conf.query_max_images, admission(request)), conf.manifest_max_images
    if not keys:
        raise QueryNotFoundError(f"No image belongs to the set {'/'.join([name, *given])!r}.")
    label = query.label
    for position, argument in enumerate(given, 1):
        label = label.replace(f"{{{position}}}", argument)
    path = "/".join(encode_identifier(part) for part in (name, *given))
    uri = f"{service_root(request, f'/iiif/presentation/{version}/')}query/{path}"
    pages, page = _pages(len(keys), length), _page(number, len(keys), length)
    labels = [f"{label} ({position} / {pages})" for position in range(1, pages + 1)] if pages > 1 else [label]
    if pages > 1 and not number:
        members = tuple(Member(f"{uri}/pages/{position}", each) for position, each in enumerate(labels, 1))
        return _listing_response(request, version, Listing(uri, label, pages, members), is_page=False)
    canvases = tuple(_canvas(request, image) for image in list_images(keys[(page - 1) * length : page * length]))
    if not canvases:
        raise QueryNotFoundError(f"No image belongs to the set {'/'.join([name, *given])!r} any more.")
    manifest_uri = f"{uri}/pages/{page}" if pages > 1 else uri
    return _work_response(
        request, version, Work(manifest_uri, service_root(request, "/"), Facts(labels[page - 1]), canvases)
    )


def _query_page(given: list[str], arity: int) -> tuple[list[str], str]:
    """The arguments, and the number of the page behind them, if there is one."""
    if len(given) == arity + 2 and given[-2] == "pages" and given[-1].isascii() and given[-1].isdecimal():
        return given[:-2], given[-1]
    return given, ""


@_answering
def collections_view(request: HttpRequest, version: str, number: str = "") -> HttpResponse:
    """The collection of all collections."""
    total, length = count_collections(), conf.presentation_page_size
    page = _page(number, total, length)
    root = service_root(request, f"/iiif/presentation/{version}/")
    start = (page - 1) * length
    members = tuple(
        Member(f"{root}collection/{found.name}", str(found), is_collection=True)
        for found in list_collections(start, length)
    )
    listing = Listing(f"{root}collections", "Collections", total, members, page, _pages(total, length), start)
    return _listing_response(request, version, listing, is_page=bool(number))


@_answering
def collection_view(request: HttpRequest, version: str, name: str, number: str = "") -> HttpResponse:
    """The manifests of a collection's images."""
    found: Collection = get_collection(name)
    total, length = count_collection(found), conf.presentation_page_size
    page = _page(number, total, length)
    start = (page - 1) * length
    has_members = bool(number) or total <= length  # else pages are all that is listed
    members = tuple(
        Member(
            _manifest_uri(request, version, image.identifier), image.label or image.identifier, _canvas(request, image)
        )
        for image in (list_collection(found, start, length, total) if has_members else ())
    )
    root = service_root(request, f"/iiif/presentation/{version}/")
    listing = Listing(
        f"{root}collection/{found.name}",
        str(found),
        total,
        members,
        page,
        _pages(total, length),
        start,
        parent_uri=f"{root}collections",
    )
    return _listing_response(request, version, listing, is_page=bool(number))


@_answering
def activities_view(request: HttpRequest, number: str = "") -> HttpResponse:
    """The feed of changes, or one of its pages."""
    uri, length = f"{service_root(request, '/iiif/activity/')}all", conf.presentation_page_size
    if not number:
        total, pages = count_activities(length)
        return _json_response(request, build_feed(Feed(uri, total, pages)), ACTIVITY_TYPE)
    page = find_activities(_number(number), length)
    if page is None:
        raise PageNotFoundError("The feed has fewer pages.")
    activities = tuple(
        Activity(row.pk, row.kind, _manifest_uri(request, "3", row.identifier), row.moment)  # type: ignore[arg-type]
        for row in page.activities
    )
    feed = Feed(uri, page.total, page.pages)
    return _json_response(request, build_feed_page(feed, _number(number), page.start, activities), ACTIVITY_TYPE)


def _work_response(request: HttpRequest, version: str, work: Work) -> HttpResponse:
    if version == "2":
        return _json_response(request, build_manifest_2(work), MEDIA_TYPE_2)
    return _json_response(request, build_manifest(work), MEDIA_TYPE)


def _listing_response(request: HttpRequest, version: str, listing: Listing, *, is_page: bool) -> HttpResponse:
    if version == "2":
        build = collections.build_collection_page_2 if is_page else collections.build_collection_2
        return _json_response(request, build(listing), MEDIA_TYPE_2)
    if is_page:
        return _json_response(request, collections.build_collection_page(listing), MEDIA_TYPE)
    build = collections.build_paged_collection if listing.pages > 1 else collections.build_collection
    return _json_response(request, build(listing), MEDIA_TYPE)


def _json_response(request: HttpRequest, document: dict[str, Any], media_type: str) -> HttpResponse:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = HttpResponse(body, content_type=media_type)
    response["ETag"] = etag
    response["Cache-Control"] = conf.cache_control_information
    answer = get_conditional_response(request, etag=etag, response=response)
    return answer or response


def _manifest_uri(request: HttpRequest, version: str, identifier: str) -> str:
    return f"{service_uri(request, f'/iiif/presentation/{version}/', identifier)}/manifest"


def _canvas(request: HttpRequest, image: PresentedImage) -> CanvasImage:
    capabilities = image.capabilities
    return CanvasImage(
        services=ImageServices(
            uri_2=service_uri(request, "/iiif/2/", image.identifier),
            uri_3=service_uri(request, "/iiif/3/", image.identifier),
            level_2=capabilities.level(ApiVersion.V2),
            level_3=capabilities.level(ApiVersion.V3),
        ),
        full=image.full,
        largest=_fitted(image, image.full),
        thumbnail=_fitted(image, THUMBNAIL),
        facts=Facts(image.label or image.identifier, image.rights, image.attribution, image.metadata),
    )


def _fitted(image: PresentedImage, box: Size) -> Size:
    """The largest size of the whole image within a box and the image's limits, not enlarged."""
    full = image.full
    inner = Size(min(full.width, box.width), min(full.height, box.height))
    return fit(full, inner, image.capabilities.limits)


def _pages(total: int, length: int) -> int:
    return max(1, -(-total // length))


def _page(number: str, total: int, length: int) -> int:
    page = _number(number) if number else 1
    if not 1 <= page <= _pages(total, length):
        raise PageNotFoundError(f"There are {_pages(total, length)} pages.")
    return page


def _number(text: str) -> int:
    return int(text) if len(text) <= _MAX_PAGE_DIGITS else 0


def _with_cors(response: HttpResponse) -> HttpResponse:
    response["Access-Control-Allow-Origin"] = "*"
    return response
