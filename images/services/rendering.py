"""From a served image and a resolved request to encoded bytes, through the derivative cache."""

from dataclasses import replace

from caching.derivatives import Derivative, Production, get_derivative_cache
from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders.errors import DamagedSourceError, DecodeError
from images.decoders.pass_through import PassThrough
from images.iiif.output import OutputFormat
from images.iiif.request import ResolvedRequest
from images.indexes.description import SourceFormat
from images.selectors.images import ServedImage
from images.selectors.indexes import remembers_index
from images.services import levels
from images.services.copy_answers import answering, copy_give_up
from images.services.foreseen import is_foreseen
from images.services.orders import find_order, get_workshop
from images.services.planning import (
    derivative_key,
    find_pass_through,
    find_plain_job,
    is_thumbnail,
    render_plan,
)
from images.services.producing import find_plain_tile, image_render_stored, produce
from images.services.quick import is_quick, is_quick_cut, is_quick_tile
from images.services.quick_orders import make_cut
from images.sources.errors import SourceError

_TILE_AREA = 1_048_576
"""Pixels of an answer that a viewer may ask for as a tile: larger ones may take a while."""

_STREAMED_FORMATS = frozenset({OutputFormat.JPG, OutputFormat.PNG})


def image_render(served: ServedImage, resolved: ResolvedRequest) -> Derivative:
    """A stored tile as it is, or the derivative from the cache, or one made now.

    A large JPEG, PNG or TIFF leaves while it is being encoded. Where a service copy fails, the source answers. Raises
    SourceError and DecodeError.
    """
    chosen = answering(served, resolved)
    if chosen is not served:
        try:
            return _render(chosen, resolved)
        except (SourceError, DecodeError) as error:
            if not copy_give_up(chosen, error):
                raise
    if served.copy is not None:
        served = replace(served, copy=None)  # so that all that follows is named as made from the source
    return _render(served, resolved)


def _render(served: ServedImage, resolved: ResolvedRequest) -> Derivative:
    stored = find_pass_through(served, resolved)
    spliced = None if stored is None else image_render_stored(served, stored)
    if spliced is not None:
        return spliced
    if stored is not None and served.copy_fingerprint:
        raise DamagedSourceError("A tile of the service copy is damaged.")
    key = derivative_key(served, resolved)
    return get_derivative_cache().get_or_create(
        key,
        lambda: _production(served, resolved, key, stored),
        stream=_streams(served, resolved),
        is_foreseen=lambda: is_foreseen(served, resolved),
    )


def image_make_tile(
    served: ServedImage, resolved: ResolvedRequest, key: DerivativeKey, stored: PassThrough | None
) -> Derivative | None:
    """As `image_render`, where it takes no query: small answers from a TIFF whose index is remembered.

    `key` and `stored`: as they follow from the request; `stored` was found not fit to be sent, and nothing is kept
    under `key`. None where it would take more. Raises SourceError and DecodeError.
    """
    is_source = served.copy is None and not served.copy_fingerprint
    is_small = resolved.size.area <= _TILE_AREA and not _streams(served, resolved)
    is_tiff = served.description.source_format is SourceFormat.TIFF
    if not (is_source and is_small and is_tiff and remembers_index(served)):
        return None
    return get_derivative_cache().get_or_create(
        key,
        lambda: _production(served, resolved, key, stored),
        is_foreseen=lambda: is_foreseen(served, resolved),
        looked=True,
    )


def _streams(served: ServedImage, resolved: ResolvedRequest) -> bool:
    area = resolved.size.area
    is_large_tiff = resolved.format is OutputFormat.TIF and served.profile.encoding.streams_tiff(area)
    is_fit = is_large_tiff or resolved.format in _STREAMED_FORMATS
    return is_fit and area > conf.stream_area


def _production(
    served: ServedImage, resolved: ResolvedRequest, key: DerivativeKey, stored: PassThrough | None
) -> Production:
    media_type = resolved.format.media_type
    if stored is not None and (cut := make_cut(served, resolved, key, stored)) is not None:
        return Production(media_type, iter((cut,)), is_quick=is_quick_cut(served, stored))
    plain = find_plain_job(served, resolved)
    if plain is not None and (tile := find_plain_tile(served, plain)) is not None:
        return Production(media_type, iter((tile,)), is_quick=is_quick_tile(plain))
    planned = render_plan(served, resolved)
    is_small = levels.is_kept(planned) or is_thumbnail(served, resolved)
    order = None if is_small else find_order(served, resolved)
    chunks = produce(served, planned) if order is None else iter((get_workshop().make(order),))
    return Production(media_type, chunks, is_quick=order is None and not is_small and is_quick(served, planned))


def image_find_derivative(served: ServedImage, resolved: ResolvedRequest) -> Derivative | None:
    """The derivative if it is in the cache; nothing is decoded."""
    return get_derivative_cache().find(derivative_key(served, resolved))
