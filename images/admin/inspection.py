"""The lower half of an image's page: the picture with its tiles, a builder of addresses, and what the index found."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from caching.errors import CacheError
from images.admin.addresses import public_root
from images.admin.jobs import ACTION_LABELS
from images.iiif.canonical import canonical_path
from images.iiif.identifiers import encode_identifier
from images.iiif.version import ApiVersion
from images.models import Activity, Image, Tiling
from images.selectors.technical import technical_facts
from images.services.explaining import request_explain
from images.services.invalidation import image_invalidate
from images.services.requests import REQUEST_ERRORS, resolve_request
from images.templatetags.iiif_urls import grouped

_NEWEST = 20

LINE_NAMES = {
    "image": gettext_lazy("image"),
    "region": gettext_lazy("region"),
    "size": gettext_lazy("size"),
    "answers": gettext_lazy("answers"),
    "cached": gettext_lazy("cached"),
    "stored as": gettext_lazy("stored as"),
    "together": gettext_lazy("together"),
    "level": gettext_lazy("level"),
    "reads": gettext_lazy("reads"),
    "decodes": gettext_lazy("decodes"),
    "layers": gettext_lazy("layers"),
    "lane": gettext_lazy("lane"),
}
"""Of `request_explain`, which programs and the command line know by the names as they are."""


def inspection_context(request: HttpRequest, image: Image) -> dict[str, Any]:
    """What the template shows of an image; little more than what happened where no version was read yet."""
    seen = {"history": _events(image)}
    tiling = Tiling.objects.filter(image=image).first()
    if tiling is None:
        return seen
    root, name = public_root(request), encode_identifier(image.identifier)
    return {
        **seen,
        "inspected": image,
        "technical": [*technical_facts(tiling), *_cost(image, tiling), *_cached(image)],
        "service": f"/iiif/3/{name}",
        "addresses": [
            ("info.json 3.0", f"{root}/iiif/3/{name}/info.json"),
            ("info.json 2.1", f"{root}/iiif/2/{name}/info.json"),
            (_("manifest %s") % "3.0", f"{root}/iiif/presentation/3/{name}/manifest"),
            (_("manifest %s") % "2.1", f"{root}/iiif/presentation/2/{name}/manifest"),
        ],
    }


def explain_response(request: HttpRequest, image: Image) -> JsonResponse:
    """What the builder of addresses shows for its fields: the address, its canonical form, and what it costs."""
    field = request.GET.get
    api_version = ApiVersion.V2 if field("version") == "2" else ApiVersion.V3
    last = f"{field('quality', 'default')}.{field('format', 'jpg')}"
    parts = (field("region", "full"), field("size", "max"), field("rotation", "0"), last)
    service = f"{public_root(request)}/iiif/{int(api_version)}/{encode_identifier(image.identifier)}"
    answer: dict[str, Any] = {"url": f"{service}/{'/'.join(parts)}", "version": image.version}
    try:
        known = resolve_request(image.identifier, *parts, api_version=api_version)
        lines = request_explain(known, api_version)
    except REQUEST_ERRORS as error:
        return JsonResponse({**answer, "error": str(getattr(error, "detail", "") or error)})
    canonical = canonical_path(known.resolved, known.served.full, api_version)
    hidden = {"identifier", "key", "plan", "canonical"}
    shown = [(str(LINE_NAMES.get(name, name)), value) for name, value in lines if name not in hidden]
    return JsonResponse({**answer, "canonical": f"{service}/{canonical}", "lines": shown})


def _cost(image: Image, tiling: Tiling) -> list[tuple[str, str]]:
    """What a tile of full size from the middle takes; nothing of an image that is not served."""
    if not tiling.tile_width or not tiling.tile_height or not image.width or not image.height:
        return []
    left = image.width // 2 // tiling.tile_width * tiling.tile_width
    top = image.height // 2 // tiling.tile_height * tiling.tile_height
    width, height = min(tiling.tile_width, image.width - left), min(tiling.tile_height, image.height - top)
    region = f"{left},{top},{width},{height}"
    try:
        known = resolve_request(
            image.identifier, region, f"{width},{height}", "0", "default.jpg", api_version=ApiVersion.V3
        )
        lines = dict(request_explain(known, ApiVersion.V3))
    except REQUEST_ERRORS:
        return []
    steps = [f"{LINE_NAMES[name]} {lines[name]}" for name in ("reads", "decodes") if name in lines]
    return [(_("A tile from the middle"), "; ".join(steps) or lines["stored as"])]


def _cached(image: Image) -> list[tuple[str, str]]:
    try:
        held = image_invalidate(image, dry_run=True)
    except CacheError:
        return []
    text = ngettext("%(bytes)s in %(entries)s file", "%(bytes)s in %(entries)s files", held.entries)
    facts = {"bytes": filesizeformat(held.bytes), "entries": grouped(held.entries)}
    return [(_("In the cache"), text % facts if held.entries else _("nothing"))]


def _events(image: Image) -> list[tuple[Any, str, str]]:
    """When what happened, newest first: what the public saw of it, and who changed the record."""
    seen = Activity.objects.filter(uuid=image.uuid).order_by("-pk")[:_NEWEST]
    kind = ContentType.objects.get_for_model(Image)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(image.pk)).select_related("user")[:_NEWEST]
    events = [(activity.moment, activity.get_kind_display(), "") for activity in seen]
    events += [(entry.action_time, _deed(entry), str(entry.user)) for entry in entries]
    return sorted(events, key=lambda event: event[0], reverse=True)[:_NEWEST]


def _deed(entry: LogEntry) -> str:
    """In the reader's language, also of what `images.services.audit` has noted by a word."""
    label = ACTION_LABELS.get(entry.change_message)
    return str(label) if label else entry.get_change_message()
