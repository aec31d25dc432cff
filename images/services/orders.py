"""Which tiles are made together with the one that is asked for, and the workshop that makes them."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache, lru_cache

from django.core.signals import setting_changed

from caching.conf import conf as caching_conf
from caching.counters import get_counters
from caching.derivatives import get_derivative_cache
from images.conf import conf
from images.decoders.estimate import decodes_whole
from images.decoders.metatiles import Grid, GridTile, ScreenGrid
from images.decoders.records import Made
from images.decoders.resample import is_seamless
from images.iiif.output import OutputFormat
from images.iiif.request import ResolvedRequest
from images.indexes.description import SourceDescription, SourceFormat
from images.selectors.images import ServedImage
from images.services.decoding import call_when_full
from images.services.foreseen import tile_sizes
from images.services.metatiles import Workshop
from images.services.planning import derivative_key, render_plan
from images.services.producing import produce, produce_tiles
from images.services.promises import Order

_TILE_FORMATS = frozenset({OutputFormat.JPG, OutputFormat.PNG, OutputFormat.WEBP})
"""That viewers ask for; others are dear to encode, and nobody asks for a second tile."""
_LEAST_TOGETHER = 2
_MOST_BANDS = 3
"""Of sources of which half a screen is decoded at once: of more, it would be more than a decoder does at a time."""

_FROM_THE_TOP = 2
"""How much larger a metatile is where each region is read from the top of the source, or with all around it: the more
tiles share that."""


def find_order(served: ServedImage, resolved: ResolvedRequest) -> Order | None:
    """How to make the tile that is asked for together with its neighbours; None where it is none, or that is no use."""
    if resolved.format not in _TILE_FORMATS or not resolved.rotation.is_none:
        return None
    size = metatile_size(served)
    found = find_tile(served, resolved, size, _grid_kind(served)) if size else None
    if found is None:
        return None
    planned = render_plan(served, resolved)
    if not (is_seamless(planned.horizontal) and is_seamless(planned.vertical)):
        return None  # the tile would have other pixels alone
    grid, tile = found
    is_by_areas = _reads_parts(served.description) and served.description.orientation == 1

    def resolved_of(tiles: Sequence[GridTile]) -> ResolvedRequest:
        region, size = grid.extent(tiles)
        return replace(resolved, region=region, size=size)

    def make(tiles: Sequence[GridTile]) -> AbstractContextManager[Made]:
        window = resolved_of(tiles)
        cuts = [grid.cut(tile, window.region) for tile in tiles]
        return produce_tiles(served, render_plan(served, window), cuts, is_by_areas=is_by_areas)

    return Order(
        subject=f"{served.uuid}/{grid.tile.width}",
        grid=grid,
        tile=tile,
        media_type=resolved.format.media_type,
        key_of=cache(lambda other: derivative_key(served, resolved_of([other]))),
        make_alone=lambda: b"".join(produce(served, render_plan(served, resolved))),
        make=make,
    )


def find_tile(
    served: ServedImage, resolved: ResolvedRequest, size: int, kind: type[Grid] = Grid
) -> tuple[Grid, GridTile] | None:
    """The tile of the grid that info.json describes, or of one that viewers have from elsewhere.

    `size`: pixels a side of a metatile. None where a metatile of that grid is one tile.
    """
    for tile in tile_sizes(served, resolved):
        grid = kind(served.full, tile, size // max(tile.width, tile.height))
        if grid.across >= _LEAST_TOGETHER and (found := grid.find(resolved.region, resolved.size)) is not None:
            return grid, found
    return None


def _grid_kind(served: ServedImage) -> type[Grid]:
    """Halves of the screen where any region is decoded strip by strip from its own parts of one codestream tile."""
    description = served.description
    has_borders = description.levels[0].tile_width is not None
    is_plain = description.orientation == 1 and description.bands <= _MOST_BANDS
    return ScreenGrid if is_plain and _reads_parts(description) and not has_borders else Grid


def _reads_parts(description: SourceDescription) -> bool:
    return description.source_format is SourceFormat.JP2 and not decodes_whole(description)


def metatile_size(served: ServedImage) -> int:
    """Pixels a side of what is decoded together of this source; 0 where every tile is decoded alone."""
    if not get_derivative_cache().keeps:
        return 0
    description = served.description
    if description.source_format is SourceFormat.TIFF and description.levels[0].tile_width:
        return 0  # its own tiles are read one by one
    return conf.metatile_size * (1 if _reads_parts(description) else _FROM_THE_TOP)


@lru_cache(maxsize=1)
def get_workshop() -> Workshop:
    """One per process."""
    return Workshop(
        get_derivative_cache(),
        caching_conf.wait_seconds,
        counters=get_counters(),
    )


def _forget_workshop(**_kwargs: object) -> None:
    get_workshop.cache_clear()


os.register_at_fork(after_in_child=get_workshop.cache_clear)
call_when_full(lambda: get_workshop().make_room())
setting_changed.connect(_forget_workshop, dispatch_uid="images.services.orders")
