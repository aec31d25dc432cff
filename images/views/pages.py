"""The pages for people: the gallery and the deep-zoom page of one image."""

import hashlib
import json
from dataclasses import asdict, dataclass

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from images.conf import conf
from images.iiif.errors import IIIFError
from images.iiif.geometry import Size
from images.iiif.identifiers import validate_identifier
from images.selectors.gallery import ImageCard, get_card, list_gallery, list_unfinished
from images.selectors.images import (
    ImageNotFoundError,
    ImageNotReadyError,
)
from images.selectors.presentation import CollectionNotFoundError, get_collection, list_collection_cards
from images.selectors.samples import SampleProgress, get_sample_progress
from images.services.self_registration import RegistrationLimitError, get_or_register_image
from images.sources.errors import SourceError
from images.views.iiif import service_root
from images.views.viewer_context import fitted, viewer_context

CARDS_PER_PAGE = 48
THUMBNAIL = Size(400, 400)
_MAX_SEARCH_LENGTH = 200
_MAX_PAGE_DIGITS = 9
_UNFINISHED_SAMPLES = frozenset({"waiting", "making"})


@dataclass(frozen=True, slots=True)
class GalleryCard:
    """A card as it is drawn; `thumbnail` is the size of its preview, or None where there is no picture yet.

    Its address names the version: a browser may keep a picture for an hour, and not that of another source.
    """

    identifier: str
    label: str
    state: str
    width: int | None
    height: int | None
    source_format: str
    error_detail: str
    version: int
    thumbnail: Size | None


@dataclass(frozen=True, slots=True)
class GalleryState:
    """What of the gallery is still under way; `fingerprint` changes when the page has to be drawn anew."""

    unfinished: tuple[ImageCard, ...]
    samples: tuple[SampleProgress, ...]
    total: int

    @property
    def is_unfinished(self) -> bool:
        return bool(self.unfinished) or bool(self.samples)

    @property
    def fingerprint(self) -> str:
        states = [(card.identifier, card.state) for card in self.unfinished]
        samples = [(sample.identifier, sample.state) for sample in self.samples]
        facts = json.dumps([self.total, states, samples])
        return hashlib.sha256(facts.encode()).hexdigest()[:16]


@require_safe
@cache_control(private=True, no_cache=True)
def gallery_view(request: HttpRequest) -> HttpResponse:
    search = _search_text(request)
    with_failed = _sees_failed(request)
    gallery = list_gallery(_page_number(request.GET.get("page", "")), CARDS_PER_PAGE, search, with_failed=with_failed)
    state = _gallery_state(with_failed=with_failed)
    context = {
        "search": search,
        "gallery": gallery,
        "cards": [gallery_card(card) for card in gallery.cards],
        "state": state,
    }
    return render(request, "images/gallery.html", context)


@require_safe
@cache_control(private=True, no_cache=True)
def collections_view(request: HttpRequest) -> HttpResponse:
    page = list_collection_cards(_page_number(request.GET.get("page", "")), CARDS_PER_PAGE)
    cards = [(found, gallery_card(found.image) if found.image else None) for found in page.collections]
    return render(request, "images/collections.html", {"page": page, "cards": cards})


@require_safe
@cache_control(private=True, no_cache=True)
def collection_page_view(request: HttpRequest, name: str) -> HttpResponse:
    try:
        found = get_collection(name)
    except CollectionNotFoundError as error:
        message = _("There is no collection “%(name)s”.")
        raise Http404(message % {"name": name}) from error
    search = _search_text(request)
    gallery = list_gallery(
        _page_number(request.GET.get("page", "")),
        CARDS_PER_PAGE,
        search,
        collection=found.pk,
        with_failed=_sees_failed(request),
    )
    context = {
        "collection": found,
        "search": search,
        "gallery": gallery,
        "cards": [gallery_card(card) for card in gallery.cards],
        "links": [
            (_("IIIF collection"), f"{service_root(request, '/iiif/presentation/3/')}collection/{found.name}"),
            (
                _("IIIF collection, version 2"),
                f"{service_root(request, '/iiif/presentation/2/')}collection/{found.name}",
            ),
        ],
    }
    return render(request, "images/collection.html", context)


@require_safe
@never_cache
def gallery_state_view(request: HttpRequest) -> JsonResponse:
    """What the pages ask for while they wait: of the whole gallery, or with ?id= of one image."""
    identifier = request.GET.get("id")
    if identifier is not None:
        return JsonResponse({"image": _image_state(identifier, with_failed=_sees_failed(request))})
    state = _gallery_state(with_failed=_sees_failed(request))
    return JsonResponse(
        {
            "fingerprint": state.fingerprint,
            "is_unfinished": state.is_unfinished,
            "unfinished": [
                {"identifier": card.identifier, "label": card.label, "state": card.state} for card in state.unfinished
            ],
            "samples": [asdict(sample) for sample in state.samples],
        }
    )


@require_safe
@cache_control(private=True, no_cache=True)
def image_page_view(request: HttpRequest, identifier: str) -> HttpResponse:
    """The deep-zoom page; for an image that cannot be shown yet, how far it has come or why it failed."""
    try:
        validate_identifier(identifier)
        served = get_or_register_image(identifier)
    except IIIFError as error:
        raise BadRequest(error.detail) from error
    except ImageNotFoundError as error:
        message = _("There is no picture with the identifier “%(identifier)s”.")
        raise Http404(message % {"identifier": identifier}) from error
    except ImageNotReadyError:
        return render(request, "images/waiting.html", {"card": get_card(identifier)})
    except (SourceError, RegistrationLimitError):
        detail = _("The store of this picture cannot be reached just now.")
        return HttpResponse(detail, status=503, content_type="text/plain; charset=utf-8")
    api = 2 if request.GET.get("api") == "2" else 3
    return render(request, "images/view.html", viewer_context(request, served, api))


def gallery_card(card: ImageCard) -> GalleryCard:
    """A card with its preview's size, so that nothing moves when the preview arrives.

    An image that failed or is read again keeps the preview of the version that is still served.
    """
    thumbnail = None
    if card.version > 0 and card.width and card.height:
        thumbnail = fitted(Size(card.width, card.height), THUMBNAIL, conf.limits)
    return GalleryCard(
        identifier=card.identifier,
        label=card.label,
        state=card.state,
        width=card.width,
        height=card.height,
        source_format=card.source_format,
        error_detail=card.error_detail,
        version=card.version,
        thumbnail=thumbnail,
    )


def _search_text(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\x00", "").strip()[:_MAX_SEARCH_LENGTH]


def _sees_failed(request: HttpRequest) -> bool:
    """What could not be read is no visitor's business; the curators who can mend it see it."""
    user = getattr(request, "user", None)
    return user is not None and user.is_staff


def _gallery_state(*, with_failed: bool) -> GalleryState:
    samples = tuple(sample for sample in get_sample_progress() if sample.state in _UNFINISHED_SAMPLES)
    return GalleryState(list_unfinished(), samples, list_gallery(1, 1, with_failed=with_failed).total)


def _image_state(identifier: str, *, with_failed: bool) -> dict[str, str] | None:
    """Why it could not be read is told of an image that is shown all the same only to those who see what failed."""
    try:
        card = get_card(identifier)
    except ImageNotFoundError:
        return None
    reason = card.error_detail if with_failed or not card.width else ""
    return {"identifier": card.identifier, "label": card.label, "state": card.state, "reason": reason}


def _page_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_PAGE_DIGITS else 1
