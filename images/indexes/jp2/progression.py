"""The order in which the packets of a tile follow each other (T.800 B.12)."""

from array import array
from collections.abc import Sequence
from itertools import chain, product, repeat
from typing import Any

from images.indexes.jp2.precincts import Resolution, Tile
from images.indexes.jp2.segments import ProgressionChange

LRCP, RLCP, RPCL, PCRL, CPRL = range(5)


def packet_order(tile: Tile, layers: int, progression: int, changes: Sequence[ProgressionChange]) -> "array[int]":
    """The numbers of all packets in the order of the codestream; packet = precinct * layers + layer.

    With `changes` (POC), only the packets that they name, each once (T.800 B.12.2).
    """
    if not changes:
        return _order(tile, list(tile.resolutions), layers, progression)
    ordered = array("I")
    is_done = bytearray(tile.precincts * layers)
    for change in changes:
        named = [
            each
            for each in tile.resolutions
            if change.resolution_start <= each.number < change.resolution_stop
            and change.component_start <= each.component < change.component_stop
        ]
        stop = min(change.layer_stop, layers)
        for packet in _order(tile, named, layers, change.progression, stop):
            if not is_done[packet]:
                is_done[packet] = 1
                ordered.append(packet)
    return ordered


def _order(
    tile: Tile, resolutions: list[Resolution], layers: int, progression: int, layer_stop: int | None = None
) -> "array[int]":
    stop = layers if layer_stop is None else layer_stop
    if progression == LRCP:
        runs = _runs(resolutions)
        return array("I", (packet for layer in range(stop) for run in runs for packet in _packets(run, layers, layer)))
    if progression == RLCP:
        numbers = sorted({each.number for each in resolutions})
        by_number = [_runs([each for each in resolutions if each.number == number]) for number in numbers]
        return array(
            "I",
            (
                packet
                for runs in by_number
                for layer in range(stop)
                for run in runs
                for packet in _packets(run, layers, layer)
            ),
        )
    precincts = _by_position(tile, resolutions, progression)
    return array("I", chain.from_iterable(range(each * layers, each * layers + stop) for each in precincts))


def _runs(resolutions: list[Resolution]) -> list[range]:
    """Precincts that follow each other, by resolution and component."""
    return [range(each.first, each.first + each.count) for each in resolutions if each.count]


def _packets(precincts: range, layers: int, layer: int) -> range:
    return range(precincts.start * layers + layer, precincts.stop * layers, layers)


def _by_position(tile: Tile, resolutions: list[Resolution], progression: int) -> list[int]:
    """Precincts sorted by where they begin on the reference grid (T.800 B.12.1.3 to B.12.1.5)."""
    keys: list[tuple[Any, ...]] = []
    for each in resolutions:
        columns = _positions(each, 0, each.x[0], each.across, tile.x[0])
        rows = _positions(each, 1, each.y[0], each.down, tile.y[0])
        places, precincts = product(rows, columns), range(each.first, each.first + each.count)
        number, component = repeat(each.number), repeat(each.component)
        if progression == RPCL:
            keys += zip(number, places, component, precincts, strict=False)
        elif progression == PCRL:
            keys += zip(places, component, number, precincts, strict=False)
        else:
            keys += zip(component, places, number, precincts, strict=False)
    keys.sort()
    return [key[-1] for key in keys]


def _positions(resolution: Resolution, axis: int, start: int, count: int, tile_start: int) -> list[int]:
    """Where columns or rows of precincts begin; the first, if the tile cuts it off, begins with the tile."""
    exponent = resolution.exponents[axis]
    first = start >> exponent
    step = resolution.steps[axis] << (exponent + resolution.shrink)
    positions = [(first + cell) * step for cell in range(count)]
    if count and start & ((1 << exponent) - 1):
        positions[0] = tile_start
    return positions
