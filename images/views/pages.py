"""The pages for people: the gallery, the deep-zoom page of one image, and what is shown when something goes wrong."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views import defaults
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from images.conf import conf
from images.iiif.errors import IIIFError
from images.iiif.geometry import Size
from images.iiif.identifiers import validate_identifier
from images.iiif.limits import Limits
from images.iiif.scaling import fit
from images.selectors.images import (
    ImageCard,
    ImageNotFoundError,
    ImageNotReadyError,
    ServedImage,
    get_card,
    get_served_image,
    list_gallery,
    list_unfinished,
)
from images.selectors.samples import SampleProgress, get_sample_progress
from images.templatetags.iiif_urls import iiif_path
from images.views.errors import error_response
from images.views.iiif import service_uri

CARDS_PER_PAGE = 48
VIEWER_SCRIPT = "openseadragon/openseadragon.min.js"
THUMBNAIL = Size(400, 400)
PLAIN_PICTURE = Size(1200, 1200)
_MAX_SEARCH_LENGTH = 200
_MAX_PAGE_DIGITS = 9
_UNFINISHED_SAMPLES = frozenset({"waiting", "making"})


@dataclass(frozen=True, slots=True)
class GalleryCard:
    """A card as it is drawn; `thumbnail` is the size of its preview, or None where there is no picture yet."""

    identifier: str
    label: str
    state: str
    width: int | None
    height: int | None
    source_format: str
    error_detail: str
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
    search = request.GET.get("q", "").replace("\x00", "").strip()[:_MAX_SEARCH_LENGTH]
    gallery = list_gallery(_page_number(request.GET.get("page", "")), CARDS_PER_PAGE, search)
    state = _gallery_state()
    context = {
        "search": search,
        "gallery": gallery,
        "cards": [gallery_card(card) for card in gallery.cards],
        "state": state,
    }
    return render(request, "images/gallery.html", context)


@require_safe
@never_cache
def gallery_state_view(request: HttpRequest) -> JsonResponse:
    """What the pages ask for while they wait: of the whole gallery, or with ?id= of one image."""
    identifier = request.GET.get("id")
    if identifier is not None:
        return JsonResponse({"image": _image_state(identifier)})
    state = _gallery_state()
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
        served = get_served_image(identifier)
    except IIIFError as error:
        raise BadRequest(error.detail) from error
    except ImageNotFoundError as error:
        message = _("There is no picture with the identifier “%(identifier)s”.")
        raise Http404(message % {"identifier": identifier}) from error
    except ImageNotReadyError:
        return render(request, "images/waiting.html", {"card": get_card(identifier)})
    api = 2 if request.GET.get("api") == "2" else 3
    return render(request, "images/view.html", _viewer_context(request, served, api))


def bad_request_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_iiif(request):
        return error_response(400, "bad_request", "The request is malformed.")
    return defaults.bad_request(request, exception)


def forbidden_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_iiif(request):
        return error_response(403, "forbidden", "You may not see this.")
    return defaults.permission_denied(request, exception)


def not_found_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_iiif(request):
        return error_response(404, "not_found", "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error_view(request: HttpRequest) -> HttpResponse:
    if _is_iiif(request):
        return error_response(500, "server_error", "The fault is ours and was recorded.")
    return defaults.server_error(request)


def gallery_card(card: ImageCard) -> GalleryCard:
    """A card with its preview's size, so that nothing moves when the preview arrives.

    An image that failed or is read again keeps the preview of the version that is still served.
    """
    thumbnail = None
    if card.version > 0 and card.width and card.height:
        thumbnail = _fitted(Size(card.width, card.height), THUMBNAIL, conf.limits)
    return GalleryCard(
        identifier=card.identifier,
        label=card.label,
        state=card.state,
        width=card.width,
        height=card.height,
        source_format=card.source_format,
        error_detail=card.error_detail,
        thumbnail=thumbnail,
    )


def find_viewer_script() -> str | None:
    """The address of OpenSeadragon, or None where nobody installed it: then pages show plain pictures."""
    try:
        if finders.find(VIEWER_SCRIPT) or staticfiles_storage.exists(VIEWER_SCRIPT):
            return static(VIEWER_SCRIPT)
    except (ValueError, OSError, NotImplementedError):
        return None
    return None


def _viewer_context(request: HttpRequest, served: ServedImage, api: int) -> dict[str, Any]:
    label = served.label or served.identifier
    links = _links(request, served.identifier)
    return {
        "api": api,
        "image": {
            "identifier": served.identifier,
            "label": label,
            "width": served.full.width,
            "height": served.full.height,
            "source_format": str(served.description.source_format),
            "rights": served.rights,
            "attribution": served.attribution,
            "metadata": served.metadata,
            "plain": _fitted(served.full, PLAIN_PICTURE, served.limits),
        },
        "links": links,
        "link_list": _named_links(links),
        "viewer_script": find_viewer_script(),
        "viewer_data": {
            "identifier": served.identifier,
            "width": served.full.width,
            "height": served.full.height,
            "api": api,
            "service": links[f"service_{api}"],
            "localService": iiif_path(served.identifier, api),
            "messages": _messages(label),
        },
    }


def _links(request: HttpRequest, identifier: str) -> dict[str, str]:
    """Every public address of an image, absolute, as info.json and the manifest name it."""
    service_3 = service_uri(request, "/iiif/3/", identifier)
    service_2 = service_uri(request, "/iiif/2/", identifier)
    return {
        "service_3": service_3,
        "service_2": service_2,
        "information_3": f"{service_3}/info.json",
        "information_2": f"{service_2}/info.json",
        "manifest": f"{service_uri(request, '/iiif/presentation/3/', identifier)}/manifest",
        "thumbnail": f"{service_3}/full/!400,400/0/default.jpg",
        "largest": f"{service_3}/full/max/0/default.jpg",
        "page": service_uri(request, "/view/", identifier),
    }


def _named_links(links: dict[str, str]) -> list[dict[str, str]]:
    names = {
        "information_3": _("Image information 3.0 (info.json)"),
        "information_2": _("Image information 2.1 (info.json)"),
        "manifest": _("Manifest for IIIF viewers"),
        "thumbnail": _("Thumbnail"),
        "page": _("This page"),
    }
    return [{"name": name, "url": links[key]} for key, name in names.items()]


def _messages(label: str) -> dict[str, str]:
    """What the viewer says; braces are filled in by the browser."""
    return {
        "canvas": _("%(label)s: arrow keys move, plus and minus zoom, 0 shows all") % {"label": label},
        "copied": _("Copied."),
        "notCopied": _("The browser did not allow copying. Select the text and copy it yourself."),
        "region": _("{width} × {height} pixels from x {x}, y {y}"),
        "saving": _("Preparing the picture …"),
        "saved": _("Saved as {name}"),
        "notSaved": _("The picture could not be saved."),
        "noViewer": _("The zooming viewer could not be loaded."),
        "tileFailed": _("A part of the picture could not be loaded."),
    }


def _gallery_state() -> GalleryState:
    samples = tuple(sample for sample in get_sample_progress() if sample.state in _UNFINISHED_SAMPLES)
    return GalleryState(list_unfinished(), samples, list_gallery(1, 1).total)


def _image_state(identifier: str) -> dict[str, str] | None:
    try:
        card = get_card(identifier)
    except ImageNotFoundError:
        return None
    return {"identifier": card.identifier, "label": card.label, "state": card.state}


def _fitted(full: Size, box: Size, limits: Limits) -> Size:
    """The size that `!w,h` has: the box never enlarges the image (Image API 3.0 section 4.2)."""
    return fit(full, Size(min(full.width, box.width), min(full.height, box.height)), limits)


def _page_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_PAGE_DIGITS else 1


def _is_iiif(request: HttpRequest) -> bool:
    return request.path_info.startswith("/iiif/")
