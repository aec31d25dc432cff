"""Tiles: a viewer's session, tiles with no neighbour, the first of a metatile, the warm cache, several clients."""

import random
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.commands import Missing
from benchmarks.measuring import Answer, client, measure
from benchmarks.results import Measurement
from benchmarks.servers import Server
from benchmarks.traces import Tile, first_tiles, random_tiles, session, visit
from benchmarks.wrk import CONNECTIONS, measure_once

OWN = ("ours", "layers", "single", "plain")
PEERS = ("iipimage", "iiif-processor", "large-image")
JPEG2000 = ("jp2-rpcl-plt", "jp2-lrcp", "jp2-rpcl", "jp2-tiled", "htj2k")
TIFF = ("tiff-jpeg", "tiff-deflate")
SEED = 20


def run_session(bench: Bench) -> None:
    """An OpenSeadragon session of 221 tiles on a cold cache: `session` with `w,h`, and `w,` where that may differ."""
    trace = session(bench.pyramid, visit(bench.pyramid))
    for file in bench.files(*JPEG2000, *TIFF):
        servers = [server for server in bench.servers(*OWN, *PEERS) if _is_wanted(server, file)]
        for _, server in bench.interleaved(servers):
            _round(bench, "session", server, file, trace)
            if file == "tiff-jpeg":
                _round(bench, "session w,", server, file, trace, width_only=True)


def run_pyramid(bench: Bench) -> None:
    """Every tile of a pyramidal TIFF once, in a shuffled order, cold, by `wrk`; then only those at the image's ends."""
    tiles = bench.pyramid.tiles()
    random.Random(SEED).shuffle(tiles)  # noqa: S311 - no secret
    edges = [tile for tile in tiles if tile.is_at_the_end(bench.pyramid)]
    for file in bench.files(*TIFF):
        servers = [server for server in bench.servers("ours", "cores", *PEERS) if file in server.files]
        for _, server in bench.interleaved(servers):
            if server.name == "iiif-processor":
                continue  # minutes that say nothing new
            _once(bench, "pyramid", server, file, tiles)
            if file == "tiff-jpeg":
                _once(bench, "pyramid w,", server, file, tiles, width_only=True)
            _once(bench, "edges", server, file, edges)


def _once(
    bench: Bench, suite: str, server: Server, file: str, tiles: Sequence[Tile], *, width_only: bool = False
) -> None:
    """One cold round of distinct tiles, by wrk or, with a note, by the load generator of these benchmarks."""
    paths = [server.path(file, tile.path(bench.pyramid, width_only=width_only)) for tile in tiles]
    try:
        with bench.running(server):
            try:
                measurement = measure_once(server, paths)
            except Missing as reason:
                note = f"pyramid: {reason}; asked by the load generator, which ends at some 2,500 requests a second."
                if note not in bench.results.notes:
                    bench.results.notes.append(note)
                measurement, _ = measure(server, [client([paths], connections=CONNECTIONS)])
    except (Missing, RuntimeError) as reason:
        bench.results.add_problem(suite, file, server.name, str(reason))
        bench.say(f"  {suite:<18}{file:<14}{server.name:<16}{reason}")
        return
    bench.results.add(suite, file, server.name, measurement)
    _tell(bench, suite, server.name, file, measurement)


def run_memory(bench: Bench) -> None:
    """The session once more, with the memory of all processes sampled every 50 ms, which costs time."""
    trace = session(bench.pyramid, visit(bench.pyramid))
    for file in bench.files("jp2-rpcl-plt", "jp2-tiled", "tiff-jpeg"):
        for server in bench.servers(*OWN, *PEERS):
            if _is_wanted(server, file):
                _round(bench, "memory", server, file, trace, memory=True)


def _is_wanted(server: Server, file: str) -> bool:
    """Layers only differ where there are some, the index of packets only where there are packets."""
    if server.name == "layers" and file not in {"jp2-rpcl-plt", "jp2-lrcp", "jp2-rpcl"}:
        return False
    if server.name == "plain" and file == "htj2k":
        return False  # it decodes the whole image for each tile: minutes that say nothing new
    return file in server.files


def _round(
    bench: Bench,
    suite: str,
    server: Server,
    file: str,
    trace: Sequence[Sequence[Tile]],
    *,
    width_only: bool = False,
    memory: bool = False,
) -> None:
    batches = [
        [server.path(file, tile.path(bench.pyramid, width_only=width_only)) for tile in batch] for batch in trace
    ]
    _measured(bench, suite, server, file, [batches], memory=memory)


def _measured(
    bench: Bench,
    suite: str,
    server: Server,
    file: str,
    clients: Sequence[Sequence[Sequence[str]]],
    *,
    connections: int = 6,
    memory: bool = False,
) -> list[Answer]:
    """One cold round."""
    try:
        with bench.running(server):
            measurement, answers = measure(
                server, [client(batches, connections=connections) for batches in clients], memory=memory
            )
    except (Missing, RuntimeError) as reason:
        bench.results.add_problem(suite, file, server.name, str(reason))
        bench.say(f"  {suite:<18}{file:<14}{server.name:<16}{reason}")
        return []
    bench.results.add(suite, file, server.name, measurement)
    _tell(bench, suite, server.name, file, measurement)
    return answers


def _tell(bench: Bench, suite: str, server: str, file: str, one: Measurement) -> None:
    bench.say(
        f"  {suite:<18}{file:<14}{server:<16}{one.requests:5} requests {one.per_second:9.1f}/s "
        f"{one.cpu_ms:8.2f} ms CPU  p95 {one.percentile_ms(95):8.1f} ms" + (f"  {one.failed} FAILED" * bool(one.failed))
    )


def run_random(bench: Bench) -> None:
    """Tiles of all levels of which no two lie in one metatile, two at a time, cold."""
    count = 12 if bench.is_quick else 60
    for file in bench.files(*JPEG2000, *TIFF):
        servers = [server for server in bench.servers("ours", "single", "plain") if _is_wanted(server, file)]
        for number, server in bench.interleaved(servers):
            tiles = random_tiles(bench.pyramid, count, seed=SEED + number)
            batch = [server.path(file, tile.path(bench.pyramid)) for tile in tiles]
            _measured(bench, "random", server, file, [[batch]], connections=2)


def run_first(bench: Bench) -> None:
    """One request at a time, each the first tile of its metatile: how late it comes."""
    count = 8 if bench.is_quick else 40
    for file in bench.files(*JPEG2000, "tiff-deflate"):
        servers = [server for server in bench.servers("ours", "single", "plain") if _is_wanted(server, file)]
        for number, server in bench.interleaved(servers):
            tiles = first_tiles(bench.pyramid, count, seed=SEED + 50 + number)
            batch = [server.path(file, tile.path(bench.pyramid)) for tile in tiles]
            _measured(bench, "first", server, file, [[[path] for path in batch]], connections=1)


def run_scaling(bench: Bench) -> None:
    """The same tiles asked for by 1, 2 and 4 clients of one connection each, cold: throughput by the cores."""
    count = 16 if bench.is_quick else 64
    for file in bench.files("jp2-rpcl-plt", "jp2-tiled", "tiff-deflate"):
        servers = [server for server in bench.servers("ours", "plain", "iipimage") if file in server.files]
        for number, server in bench.interleaved(servers):
            tiles = random_tiles(bench.pyramid, count, seed=SEED + 100 + number)
            requests = [server.path(file, tile.path(bench.pyramid)) for tile in tiles]
            for clients in (1, 2, 4):
                parts = [[requests[part::clients]] for part in range(clients)]
                _measured(bench, f"{clients} clients", server, file, parts, connections=1)
