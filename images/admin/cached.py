"""What the caches hold of the images of a list: entries have to be counted, so the page asks when it is there."""

import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.defaultfilters import filesizeformat

from caching.errors import CacheError
from images.models import Image
from images.services.invalidation import image_invalidate

_SECONDS = 1.0
"""After which the images that are left are asked for again."""
_AT_ONCE = 200


def cached_response(request: HttpRequest) -> HttpResponse:
    """By the keys in `images`: "1.2 MB", or "" where the caches cannot be asked. At least one, and what time allows."""
    wanted = [int(key) for key in request.GET.get("images", "").split(",") if key.isascii() and key.isdigit()]
    images = Image.objects.only("pk", "uuid").in_bulk([key for key in wanted[:_AT_ONCE] if key < 2**63])
    until, shown = time.monotonic() + _SECONDS, {}
    for key, image in images.items():
        shown[key] = _held(image)
        if time.monotonic() >= until:
            break
    return JsonResponse({"cached": shown})


def _held(image: Image) -> str:
    try:
        held = image_invalidate(image, dry_run=True)
    except CacheError:
        return ""
    return filesizeformat(held.bytes) if held.entries else "0"
