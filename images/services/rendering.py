"""From a served image and a resolved request to encoded bytes, through the derivative cache."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import F

from caching.derivatives import Derivative, Production, get_derivative_cache
from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders.errors import DecoderDiedError
from images.decoders.pass_through import PassThrough
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.iiif.canonical import derivative_parameters
from images.iiif.output import OutputFormat
from images.iiif.request import ResolvedRequest
from images.models import Image, ImageState
from images.queue import enqueue_now
from images.selectors.images import ServedImage, forget_served_image
from images.services.decoding import get_runner
from images.services.indexing import decoder_input
from images.services.splicing import find_stored_piece, image_splice, splice_fingerprint
from images.sources.errors import SourceChangedError, SourceNotFoundError
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_STREAMED_FORMATS = frozenset({OutputFormat.JPG, OutputFormat.PNG})
_REFRESH_EVERY_SECONDS = 10
_REFRESHES = 10_000
_refreshes: dict[int, float] = {}
_refreshes_lock = threading.Lock()


def derivative_key(served: ServedImage, resolved: ResolvedRequest) -> DerivativeKey:
    """The name of the bytes: image, version, pixels and encoder settings. Anything that changes the bytes is in it."""
    return DerivativeKey(
        image=served.uuid,
        version=served.version,
        parameters=derivative_parameters(resolved),
        encoding=conf.encoding.fingerprint(resolved.format.value) + splice_fingerprint(served, resolved),
    )


def image_render(served: ServedImage, resolved: ResolvedRequest) -> Derivative:
    """A stored tile as it is, or the derivative from the cache, or one made now.

    A large JPEG or PNG leaves while it is being encoded. Raises SourceError and DecodeError.
    """
    stored = find_pass_through(served, resolved)
    if stored is not None:
        with _refreshing_what_changed(served):
            spliced = image_splice(served, stored)
        if spliced is not None:
            return spliced
    streams = resolved.format in _STREAMED_FORMATS and resolved.size.area > conf.stream_area
    return get_derivative_cache().get_or_create(
        derivative_key(served, resolved),
        lambda: Production(resolved.format.media_type, _produce(served, resolved)),
        stream=streams,
    )


def image_find_derivative(served: ServedImage, resolved: ResolvedRequest) -> Derivative | None:
    """The derivative if it is in the cache; nothing is decoded."""
    return get_derivative_cache().find(derivative_key(served, resolved))


def render_plan(served: ServedImage, resolved: ResolvedRequest) -> DecodePlan:
    """What would be decoded to answer the request. Pure; raises DecodeError where the work exceeds a limit."""
    return plan(served.description, _render_request(resolved), memory_limit=conf.decode_memory_limit_bytes)


def find_pass_through(served: ServedImage, resolved: ResolvedRequest) -> PassThrough | None:
    """The stored tile that is the answer, so that nothing has to be decoded; nothing of the source is read."""
    return find_stored_piece(served, resolved, _render_request(resolved))


def _render_request(resolved: ResolvedRequest) -> RenderRequest:
    return RenderRequest(
        region=resolved.region,
        size=resolved.size,
        mirrored=resolved.rotation.mirrored,
        degrees=str(resolved.rotation.degrees),
        quality=resolved.quality.value,
        format=resolved.format.value,
        options=conf.encoding,
    )


def _produce(served: ServedImage, resolved: ResolvedRequest) -> Iterator[bytes]:
    """Decode from a source that is pinned to the version; the bytes count only if it still was that one at the end."""
    planned = render_plan(served, resolved)
    try:
        with (
            _refreshing_what_changed(served),
            open_source(served.location, etag=served.etag) as reader,
            decoder_input(served, planned, reader) as (carried_out, data),
        ):
            with get_runner().run({"kind": "render", "plan": carried_out.to_json()}, data) as rendered:
                last = b""
                for chunk in rendered.chunks:
                    if last:
                        yield last
                    last = chunk
            reader.verify()
            yield last  # the last piece leaves only when the others are known to be of one version
    except DecoderDiedError:
        _count_death(served)
        raise


@contextmanager
def _refreshing_what_changed(served: ServedImage) -> Iterator[None]:
    try:
        yield
    except (SourceChangedError, SourceNotFoundError):
        _refresh_soon(served)
        raise


def _refresh_soon(served: ServedImage) -> None:
    """Ask a worker to look at the source, once in a while however many requests find it changed."""
    now = time.monotonic()
    with _refreshes_lock:
        if now - _refreshes.get(served.pk, float("-inf")) < _REFRESH_EVERY_SECONDS:
            return
        if len(_refreshes) > _REFRESHES:
            _refreshes.clear()
        _refreshes[served.pk] = now
    threading.Thread(target=enqueue_now, args=("images.refresh", served.pk), name="refresh", daemon=True).start()


def _count_death(served: ServedImage) -> None:
    """A source that keeps killing decoders is taken out of service until someone asks for it to be read again."""
    images = Image.objects.filter(pk=served.pk, version=served.version)
    images.update(decoder_deaths=F("decoder_deaths") + 1)
    quarantined = images.filter(decoder_deaths__gte=conf.quarantine_deaths).update(
        state=ImageState.FAILED,
        error_code="quarantined",
        error_detail="Decoding this image kept ending its decoder; it is out of service until it is read again.",
    )
    if quarantined:
        logger.error("Image %s is quarantined after %d decoder deaths", served.identifier, conf.quarantine_deaths)
        forget_served_image(served.identifier)
