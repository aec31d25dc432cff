"""What a request comes to before anything is read: the name of the bytes, what would be decoded, a tile as stored."""

from typing import Any

from django.db import DatabaseError

from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders.layers import REVISION as LAYERS_REVISION
from images.decoders.layers import may_leave_out_layers
from images.decoders.pass_through import PassThrough, plan_cut
from images.decoders.pieces_job import PLAIN, find_tile_job
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.iiif.canonical import derivative_parameters
from images.iiif.output import OutputFormat
from images.iiif.request import ResolvedRequest
from images.selectors.images import ServedImage
from images.selectors.indexes import find_index, remembers_index
from images.services.copy_answers import answering, copy_fingerprint
from images.services.splicing import find_stored_piece, passes_through, splice_fingerprint
from images.services.thumbnail_bases import find_base_size, thumbnail_fingerprint


def derivative_key(served: ServedImage, resolved: ResolvedRequest) -> DerivativeKey:
    """The name of the bytes: image, version, pixels and encoder settings. Anything that changes the bytes is in it."""
    chosen = answering(served, resolved)
    encoding = served.profile.encoding.fingerprint(resolved.format.value) + splice_fingerprint(chosen, resolved)
    return DerivativeKey(
        image=served.uuid,
        version=served.version,
        parameters=derivative_parameters(resolved),
        encoding=encoding
        + _layers_fingerprint(chosen)
        + copy_fingerprint(chosen)
        + (thumbnail_fingerprint(chosen, render_request(served, resolved)) if _is_whole(served, resolved) else ""),
    )


def _layers_fingerprint(served: ServedImage) -> str:
    policy = served.profile.layer_policy
    return f",layers={policy}{LAYERS_REVISION}" if may_leave_out_layers(served.description, policy) else ""


def render_plan(served: ServedImage, resolved: ResolvedRequest) -> DecodePlan:
    """What would be decoded to answer the request. Pure; raises DecodeError where the work exceeds a limit."""
    chosen = answering(served, resolved)
    return plan(
        chosen.description,
        render_request(served, resolved),
        memory_limit=conf.decode_memory_limit_bytes,
        layer_policy=served.profile.layer_policy,
    )


def cut_job(served: ServedImage, stored: PassThrough, resolved: ResolvedRequest) -> dict[str, Any]:
    """The job for a stored tile alone, where a part of it is shown. Raises DecodeError."""
    return plan_cut(stored, render_request(served, resolved))


def find_pass_through(served: ServedImage, resolved: ResolvedRequest) -> PassThrough | None:
    """The stored tile that is the answer, so that nothing has to be decoded; nothing of the source is read."""
    request = render_request(served, resolved)
    chosen = answering(served, resolved)
    return None if find_base_size(chosen, request) else find_stored_piece(chosen, resolved, request)


def _is_whole(served: ServedImage, resolved: ResolvedRequest) -> bool:
    """Whether the whole image is asked for: for nothing else is there a raster. Said quickly, for tiles."""
    return resolved.region.size == served.full


def is_thumbnail(served: ServedImage, resolved: ResolvedRequest) -> bool:
    """Whether the answer is made from the small raster that is kept of the whole image."""
    if not _is_whole(served, resolved):
        return False
    return find_base_size(answering(served, resolved), render_request(served, resolved)) is not None


def find_plain_job(served: ServedImage, resolved: ResolvedRequest) -> dict[str, Any] | None:
    """The job for one stored tile of plain pixels in a local file; None for anything else. Reads nothing of it."""
    is_local = served.location.kind == "filesystem" and not served.copy_fingerprint
    if not is_local or not conf.uses_tiff_pieces or is_thumbnail(served, resolved):
        return None
    if resolved.format is not OutputFormat.JPG or served.description.detail.get("compression") not in PLAIN:
        return None
    try:
        index = find_index(served)
    except DatabaseError:  # the file is enough
        return None
    return None if index is None else find_tile_job(index, served.description, render_request(served, resolved))


def find_remembered_piece(served: ServedImage, resolved: ResolvedRequest) -> tuple[bool, PassThrough | None]:
    """The same without a query; whether that can be told, and the stored tile."""
    chosen = answering(served, resolved)
    if is_thumbnail(served, resolved):
        return True, None
    if passes_through(chosen, resolved) and not remembers_index(chosen):
        return False, None
    return True, find_pass_through(served, resolved)


def render_request(served: ServedImage, resolved: ResolvedRequest) -> RenderRequest:
    return RenderRequest(
        region=resolved.region,
        size=resolved.size,
        mirrored=resolved.rotation.mirrored,
        degrees=str(resolved.rotation.degrees),
        quality=resolved.quality.value,
        format=resolved.format.value,
        options=served.profile.encoding,
    )
