"""From a served image and a resolved request to encoded bytes, through the derivative cache."""

import logging
from collections.abc import Iterator

from django.core.cache import cache
from django.db.models import F

from caching.derivatives import Derivative, Production, get_derivative_cache
from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders.errors import DecoderDiedError
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.iiif.canonical import derivative_parameters
from images.iiif.output import OutputFormat
from images.iiif.request import ResolvedRequest
from images.models import Image, ImageState
from images.queue import enqueue
from images.selectors.images import ServedImage, forget_served_image
from images.services.decoding import get_runner
from images.services.indexing import decoder_input
from images.sources.errors import SourceChangedError, SourceNotFoundError
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_STREAMED_FORMATS = frozenset({OutputFormat.JPG, OutputFormat.PNG})
_REFRESH_EVERY_SECONDS = 10


def derivative_key(served: ServedImage, resolved: ResolvedRequest) -> DerivativeKey:
    """The name of the bytes: image, version, pixels and encoder settings. Anything that changes the bytes is in it."""
    return DerivativeKey(
        image=served.uuid,
        version=served.version,
        parameters=derivative_parameters(resolved),
        encoding=conf.encoding.fingerprint(resolved.format.value),
    )


def image_render(served: ServedImage, resolved: ResolvedRequest) -> Derivative:
    """The derivative, from the cache or made now; a large JPEG or PNG leaves while it is being encoded.

    Raises SourceError and DecodeError.
    """
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
    request = RenderRequest(
        region=resolved.region,
        size=resolved.size,
        mirrored=resolved.rotation.mirrored,
        degrees=str(resolved.rotation.degrees),
        quality=resolved.quality.value,
        format=resolved.format.value,
        options=conf.encoding,
    )
    return plan(served.description, request)


def _produce(served: ServedImage, resolved: ResolvedRequest) -> Iterator[bytes]:
    """Decode from a source that is pinned to the version; the bytes count only if it still was that one at the end."""
    planned = render_plan(served, resolved)
    try:
        with (
            open_source(served.location, etag=served.etag) as reader,
            decoder_input(served, planned, reader) as (carried_out, data),
        ):
            rendered = get_runner().run({"kind": "render", "plan": carried_out.to_json()}, data)
            try:
                yield from rendered.chunks
            finally:
                rendered.close()
            reader.verify()
    except (SourceChangedError, SourceNotFoundError):
        _refresh_soon(served)
        raise
    except DecoderDiedError:
        _count_death(served)
        raise


def _refresh_soon(served: ServedImage) -> None:
    """Ask a worker to look at the source, once in a while however many requests find it changed."""
    if cache.add(f"images.refresh.{served.pk}", 1, _REFRESH_EVERY_SECONDS):
        enqueue("images.refresh", served.pk)


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
