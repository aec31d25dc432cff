"""Tiles at an image's end that are made quickly: several in one job, those that nobody waits for stay in memory.

What comes and goes with a job costs as much as such a tile. So where a viewer asks for one after the other, those
beside it at the same end are made with it; what was asked for tells, as for metatiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from caching.derivatives import get_derivative_cache
from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders.metatiles import EndGrid, GridTile
from images.decoders.pass_through import PassThrough
from images.decoders.records import Made
from images.iiif.request import ResolvedRequest
from images.selectors.images import ServedImage
from images.services.orders import find_tile, get_workshop
from images.services.planning import cut_job, derivative_key, find_pass_through
from images.services.producing import find_cut, produce_cuts
from images.services.promises import Order
from images.services.quick import is_quick_cut

_METATILES_ACROSS = 4
"""Of what is made together: there are few such tiles in one metatile."""

_Cut = tuple[PassThrough, Mapping[str, Any]]


class _NotAloneError(Exception):
    """The tile has to be decoded from the whole source."""


def make_cut(served: ServedImage, resolved: ResolvedRequest, key: DerivativeKey, stored: PassThrough) -> bytes | None:
    """What is shown of a stored tile, `stored`, alone or with others of the same end; `key`: the name of the answer.

    None where it has to be decoded from the whole source. Raises SourceError and DecodeError.
    """
    job = cut_job(served, stored, resolved)
    order = _find_order(served, resolved, key, (stored, job))
    if order is None:
        return find_cut(served, stored, job)
    try:
        return get_workshop().make(order)
    except _NotAloneError:
        return None


def _find_order(served: ServedImage, resolved: ResolvedRequest, key: DerivativeKey, cut: _Cut) -> Order | None:
    """None where it is no tile of a grid, or not made quickly, or tiles are made one by one."""
    stored, job = cut
    has_room = conf.metatile_size and get_derivative_cache().has_memory
    size = conf.metatile_size * _METATILES_ACROSS
    found = find_tile(served, resolved, size, EndGrid) if has_room and _is_fit(served, cut) else None
    if found is None:
        return None
    grid, tile = found

    def resolved_of(other: GridTile) -> ResolvedRequest:
        region, size = grid.extent([other])
        return replace(resolved, region=region, size=size)

    def make_alone() -> bytes:
        body = find_cut(served, stored, job)
        if body is None:
            raise _NotAloneError
        return body

    @contextmanager
    def make(tiles: Sequence[GridTile]) -> Iterator[Made]:
        found = ((number, _find_cut(served, resolved_of(other))) for number, other in enumerate(tiles[1:], 1))
        cuts = [(0, cut), *((number, other) for number, other in found if other and _is_fit(served, other))]
        with produce_cuts(served, [other for _, other in cuts]) as made:
            yield Made((cuts[number][0], body) for number, body in made.tiles)

    return Order(
        subject=f"{served.uuid}/{grid.tile.width}/ends",
        grid=grid,
        tile=tile,
        media_type=resolved.format.media_type,
        key_of=cache(lambda other: key if other == tile else derivative_key(served, resolved_of(other))),
        make_alone=make_alone,
        make=make,
        is_quick=True,
    )


def _is_fit(served: ServedImage, cut: _Cut) -> bool:
    stored, job = cut
    return job["kind"] == "cut" and is_quick_cut(served, stored)


def _find_cut(served: ServedImage, resolved: ResolvedRequest) -> _Cut | None:
    stored = find_pass_through(served, resolved)
    return None if stored is None else (stored, cut_job(served, stored, resolved))
