"""What the deep-zoom page is told of its image: facts, addresses, and the sentences that its scripts say."""

from typing import Any

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.translation import gettext as _

from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.scaling import fit
from images.selectors.images import ServedImage
from images.templatetags.iiif_urls import iiif_path
from images.views.iiif import service_uri

VIEWER_SCRIPT = "openseadragon/openseadragon.min.js"
PLAIN_PICTURE = Size(1200, 1200)


def viewer_context(request: HttpRequest, served: ServedImage, api: int) -> dict[str, Any]:
    """What the page's template shows of an image, and under `viewer_data` what its scripts need."""
    label = served.label or served.identifier
    links = _links(request, served.identifier)
    return {
        "api": api,
        "image": {
            "identifier": served.identifier,
            "version": served.version,
            "label": label,
            "width": served.full.width,
            "height": served.full.height,
            "source_format": str(served.description.source_format),
            "rights": served.rights,
            "attribution": served.attribution,
            "metadata": served.metadata,
            "plain": fitted(served.full, PLAIN_PICTURE, served.limits),
        },
        "links": links,
        "link_list": _named_links(links),
        "viewer_script": find_viewer_script(),
        "viewer_data": {
            "identifier": served.identifier,
            "width": served.full.width,
            "height": served.full.height,
            "version": served.version,
            "api": api,
            "service": links[f"service_{api}"],
            "localService": iiif_path(served.identifier, api),
            "messages": _messages(label),
        },
    }


def find_viewer_script() -> str | None:
    """The address of OpenSeadragon, or None where nobody installed it: then pages show plain pictures."""
    try:
        if finders.find(VIEWER_SCRIPT) or staticfiles_storage.exists(VIEWER_SCRIPT):
            return static(VIEWER_SCRIPT)
    except (ValueError, OSError, NotImplementedError):
        return None
    return None


def fitted(full: Size, box: Size, limits: Limits) -> Size:
    """The size that `!w,h` has: the box never enlarges the image (Image API 3.0 section 4.2)."""
    return fit(full, Size(min(full.width, box.width), min(full.height, box.height)), limits)


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
        "upright": _("As this server makes it: neither turned nor mirrored."),
        "noViewer": _("The zooming viewer could not be loaded."),
        "tileFailed": _("A part of the picture could not be loaded."),
    }
