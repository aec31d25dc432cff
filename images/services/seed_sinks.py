"""Where seeded tiles go: the derivative cache, or a tree of files."""

from dataclasses import replace
from typing import Protocol

from caching.derivatives import get_derivative_cache
from caching.keys import DerivativeKey
from images.iiif.request import ResolvedRequest
from images.selectors.images import ServedImage
from images.services.planning import derivative_key
from images.services.static_tree import StaticTree


class SeedError(ValueError):
    """What was asked for makes no sense, or what was made cannot be kept; the message says why."""


class Sink(Protocol):
    """Where tiles go. Used by several threads at once."""

    takes_stored: bool

    def has(self, chosen: ServedImage, request: ResolvedRequest) -> bool: ...

    def put(self, chosen: ServedImage, request: ResolvedRequest, body: bytes) -> None:
        """`chosen`: the image, or the service copy, that the bytes were made from. Raises SeedError or TreeError."""


class CacheSink:
    takes_stored = False

    def __init__(self) -> None:
        self._cache = get_derivative_cache()
        if not self._cache.keeps:
            raise SeedError("Nothing is kept here: IIIF_DERIVATIVE_CACHE is off. Use --out to write files.")

    def has(self, chosen: ServedImage, request: ResolvedRequest) -> bool:
        return self._cache.is_kept(_key(chosen, request))

    def put(self, chosen: ServedImage, request: ResolvedRequest, body: bytes) -> None:
        key = _key(chosen, request)
        if self._cache.keep(key, request.format.media_type, body):
            return
        self._cache.wait_for_sweep()
        if not self._cache.keep(key, request.format.media_type, body):
            raise SeedError(
                "The derivative cache takes no more: it is full (IIIF_DERIVATIVE_CACHE_BYTES, "
                "IIIF_DERIVATIVE_CACHE_ENTRIES), or its folder cannot be written."
            )


def _key(chosen: ServedImage, request: ResolvedRequest) -> DerivativeKey:
    """Named as made from what it was made from, whatever would answer by now."""
    return derivative_key(replace(chosen, copy=None), request)


class TreeSink:
    takes_stored = True

    def __init__(self, tree: StaticTree) -> None:
        self._tree = tree

    def has(self, chosen: ServedImage, request: ResolvedRequest) -> bool:  # noqa: ARG002
        return self._tree.has(request)

    def put(self, chosen: ServedImage, request: ResolvedRequest, body: bytes) -> None:  # noqa: ARG002
        self._tree.put(request, body)
