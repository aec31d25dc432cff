"""Run with a server's settings and data: `python -m benchmarks.planned_script IDENTIFIER PATH…` (a session, in order).

Prints JSON: bytes that the plans of the session read, those of the packets that the decodes need, and how many of the
source's bytes are read at all. Nothing is decoded.
"""

import json
import sys
from collections.abc import Iterable

import django

django.setup()

from images.decoders.metatiles import GridTile, choose  # noqa: E402
from images.iiif.request import ResolvedRequest  # noqa: E402
from images.selectors.images import ServedImage  # noqa: E402
from images.services.demand import Demand  # noqa: E402
from images.services.indexing import find_shortcut  # noqa: E402
from images.services.orders import find_order  # noqa: E402
from images.services.planning import render_plan  # noqa: E402
from images.services.requests import KnownRequest, resolve_request  # noqa: E402


def ranges_of(served: ServedImage, resolved: ResolvedRequest) -> tuple[list[tuple[int, int]], int]:
    """Half-open ranges of the source and the bytes of the packets among them; none where its decoder seeks itself."""
    shortcut = find_shortcut(served, render_plan(served, resolved))
    if shortcut is None:
        return [], 0
    return [(one.start, one.stop) for one in shortcut.sparse.ranges], shortcut.sparse.needed_bytes


def length_of_union(ranges: Iterable[tuple[int, int]]) -> int:
    total = reached = 0
    for start, stop in sorted(ranges):
        total += max(0, stop - max(start, reached))
        reached = max(reached, stop)
    return total


def main(identifier: str, paths: list[str]) -> None:
    demand, made = Demand(), set[GridTile]()
    read = needed = rounds = 0
    touched: list[tuple[int, int]] = []
    for path in paths:
        region, size, rotation, rest = path.split("/")
        known = resolve_request(identifier, region, size, rotation, rest)
        decoded = _decoded(known, demand, made)
        if decoded is not None:
            ranges, packets = ranges_of(decoded.served, decoded.resolved)
            touched += ranges
            read += sum(stop - start for start, stop in ranges)
            needed += packets
            rounds += 1
    facts = {
        "read": read,
        "needed": needed,
        "distinct": length_of_union(touched),
        "rounds": rounds,
        "requests": len(paths),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


def _decoded(known: KnownRequest, demand: Demand, made: set[GridTile]) -> KnownRequest | None:
    """What is decoded because of a request: itself, or the region of the tiles around it; None where it was made."""
    order = find_order(known.served, known.resolved)
    if order is None:
        return known
    seen = demand.note(order.subject, order.grid, order.tile)
    if order.tile in made:
        return None
    tiles = choose(order.grid, order.tile, seen, made.__contains__)
    made.update(tiles)
    if len(tiles) == 1:
        return known
    demand.add(order.subject, tiles)
    region, size = order.grid.extent(tiles)
    words = (f"{region.x},{region.y},{region.width},{region.height}", f"{size.width},{size.height}")
    return resolve_request(known.served.identifier, *words, "0", "default.jpg")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
