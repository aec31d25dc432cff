"""How a request would be answered, step by step, in words; nothing is decoded."""

import json

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from images.decoders.pass_through import PassThrough
from images.decoders.plan import DecodePlan
from images.iiif.canonical import canonical_path
from images.iiif.request import ResolvedRequest
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage
from images.services import levels
from images.services.copy_answers import answering
from images.services.indexing import find_shortcut, find_stored_pieces
from images.services.orders import find_order
from images.services.planning import derivative_key, find_pass_through, render_plan
from images.services.rendering import image_find_derivative
from images.services.requests import KnownRequest
from images.templatetags.iiif_urls import grouped

Lines = list[tuple[str, str]]
"""Names and sentences, in the order of the steps."""


def request_explain(request: KnownRequest, api_version: ApiVersion) -> Lines:
    """Raises REQUEST_ERRORS where the request would be refused."""
    served, resolved = request.served, request.resolved
    plan = render_plan(served, resolved)
    stored = find_pass_through(served, resolved)
    found = image_find_derivative(served, resolved)
    chosen = answering(served, resolved)
    region = resolved.region
    lines = [
        ("identifier", f"{served.identifier} (version {served.version}, {served.description.source_format})"),
        ("image", f"{served.full.width} × {served.full.height}"),
        ("region", f"{region.x},{region.y} {region.width} × {region.height}"),
        ("size", f"{resolved.size.width} × {resolved.size.height}"),
        ("canonical", canonical_path(resolved, served.full, api_version)),
        ("key", derivative_key(served, resolved).digest),
        ("answers", _answering(chosen, served)),
        ("cached", _("no") if found is None else _("yes, %(bytes)s bytes") % {"bytes": grouped(found.length or 0)}),
    ]
    if found is not None:
        found.close()
    if stored is not None:
        return [*lines, ("stored as", _stored(stored))]
    lines += [("stored as", _("no tile of its own")), ("together", _together(chosen, resolved, plan))]
    return lines + _decoding(chosen, plan)


def _decoding(served: ServedImage, plan: DecodePlan) -> Lines:
    lines: Lines = []
    if levels.is_kept(plan):
        text = _("a small one, decoded once and kept in the cache; what follows is for the first time")
        lines.append(("level", text))
    shortcut = find_shortcut(served, plan)
    pieces = find_stored_pieces(served, plan)
    if pieces is not None:
        is_tiled = pieces.level.is_tiled
        text = (
            _("%(bytes)s bytes, ranges: %(ranges)s, stored tiles: %(pieces)s")
            if is_tiled
            else _("%(bytes)s bytes, ranges: %(ranges)s, stored strips: %(pieces)s")
        )
        facts = {"bytes": grouped(pieces.read_bytes), "ranges": len(pieces.ranges), "pieces": len(pieces.places)}
        lines.append(("reads", text % facts))
    elif shortcut is None:
        lines.append(("reads", _("what the decoder asks for, from the file itself")))
    else:
        text = _("%(bytes)s bytes, ranges: %(ranges)s; %(needed)s of them are %(method)s that the region needs")
        read = {"bytes": grouped(shortcut.read_bytes), "ranges": len(shortcut.sparse.ranges)}
        lines.append(("reads", text % {**read, "needed": grouped(shortcut.needed_bytes), "method": shortcut.method}))
    memory = number_format(round(plan.memory_bytes / 2**20, 1), decimal_pos=1, force_grouping=True)
    text = _("%(pixels)s pixels, about %(memory)s MiB")
    lines.append(("decodes", text % {"pixels": grouped(plan.pixels), "memory": memory}))
    if plan.layers is not None:
        layers = {"some": plan.layers, "all": served.description.detail["layers"]}
        lines.append(("layers", _("%(some)s of %(all)s") % layers))
    lanes = {True: pgettext("lane of requests", "dear"), False: pgettext("lane of requests", "tiles")}
    lines.append(("lane", lanes[plan.is_dear]))
    facts = {name: value for name, value in plan.to_json().items() if name not in {"description", "source", "request"}}
    lines.append(("plan", json.dumps(facts, default=str)))
    return lines


def _stored(stored: PassThrough) -> str:
    """A tile that is sent as it is, unless it turns out when it is read that it can't be."""
    ranges = ", ".join(f"{grouped(one.start)}-{grouped(one.stop)} ({grouped(one.length)} B)" for one in stored.ranges)
    is_whole = stored.frame.stored == stored.frame.shown == stored.answer
    place = {"level": stored.level, "column": stored.column, "row": stored.row, "ranges": ranges}
    text = (
        _("level %(level)s, column %(column)s, row %(row)s: bytes %(ranges)s; nothing is decoded")
        if is_whole
        else _(
            "level %(level)s, column %(column)s, row %(row)s: bytes %(ranges)s; it reaches beyond the image's end, so "
            "it may have to be decoded"
        )
    )
    return text % place


def _answering(chosen: ServedImage, served: ServedImage) -> str:
    if chosen is served:
        return _("the source")
    return _("the service copy %(fingerprint)s") % {"fingerprint": chosen.copy_fingerprint}


def _together(served: ServedImage, resolved: ResolvedRequest, plan: DecodePlan) -> str:
    """Which tiles would be decoded with this one while a viewer asks for its neighbours."""
    order = None if levels.is_kept(plan) else find_order(served, resolved)
    if order is None:
        return _("alone")
    tiles = order.grid.metatile(order.tile)
    region, size = order.grid.extent(tiles)
    text = _("alone, or with %(others)s other tiles where neighbours are asked for: %(size)s pixels of %(region)s")
    shown = f"{region.x},{region.y} {region.width} × {region.height}"
    return text % {"others": len(tiles) - 1, "size": f"{size.width} × {size.height}", "region": shown}
