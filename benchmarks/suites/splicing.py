"""Stored JPEG tiles: what splicing one costs, and whether its pixels are those that libtiff decodes."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from benchmarks.bench import Bench
from benchmarks.commands import Missing, run
from benchmarks.environment import ROOT
from benchmarks.ours import Ours
from benchmarks.results import Measurement
from benchmarks.servers import get
from benchmarks.suites.exact import pixels
from benchmarks.traces import Tile, random_tiles

FILE = "tiff-jpeg"


def run_splice(bench: Bench) -> None:
    """Tiles at every level, edges too: pixels against libtiff's, and the time to read and splice one in process."""
    path = bench.corpus.find(FILE)
    server = next((one for one in bench.servers("ours") if isinstance(one, Ours)), None)
    if path is None or server is None or not bench.files(FILE):
        return
    tiles = random_tiles(bench.pyramid, 20 if bench.is_quick else 100, seed=3)
    requests = {tile.path(bench.pyramid, width_only=bool(number % 2)): tile for number, tile in enumerate(tiles)}
    try:
        stored, milliseconds = _in_process(server, list(requests))
    except Missing as reason:
        bench.results.add_problem("splice", FILE, server.name, str(reason))
        return
    differing = wrong = 0
    with bench.running(server):
        for request in stored:
            status, body = get(server.port, server.path(FILE, request))
            wrong += status != 200
            differing += status == 200 and not np.array_equal(_stored(path, bench, requests[request]), pixels(body))
    extra = {"differing": float(differing), "compared": float(len(stored) - wrong), "splice_ms": milliseconds}
    extra["not_stored"] = float(len(tiles) - len(stored))
    bench.results.add("splice", FILE, server.name, Measurement(len(stored), wrong, 0.0, extra=extra))
    bench.say(
        f"  splice            {differing} of {len(stored)} stored tiles differ ({len(tiles) - len(stored)} others); "
        f"{milliseconds:.3f} ms in process"
    )


def _stored(path: Path, bench: Bench, tile: Tile) -> Any:
    """The tile of the level as libvips reads it with libtiff."""
    level: Any = pyvips.Image.new_from_file(
        str(path), page=bench.pyramid.scale_factors.index(tile.factor), access="random"
    )
    side = bench.pyramid.tile
    left, top = tile.column * side, tile.row * side
    return np.asarray(level.crop(left, top, min(side, level.width - left), min(side, level.height - top)).numpy())


def _in_process(server: Ours, requests: list[str]) -> tuple[list[str], float]:
    """The requests that a stored tile answers, and milliseconds for one."""
    argv = [sys.executable, "-m", "benchmarks.splice_script", FILE, *requests]
    facts = json.loads(run(argv, cwd=ROOT, environment=server.environment()).splitlines()[-1])
    return list(facts["stored"]), float(facts["splice_ms"])
