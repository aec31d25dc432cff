"""Pixels: ours against the ordinary region decode (equal), and against the peers (near): a comparison must be fair."""

import random
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from benchmarks.bench import Bench
from benchmarks.commands import Missing
from benchmarks.results import Measurement
from benchmarks.servers import Server, get
from benchmarks.traces import Pyramid, Tile, random_tiles

FILES = ("jp2-rpcl-plt", "jp2-rpcl", "jp2-lrcp", "jp2-tiled", "htj2k", "tiff-jpeg", "tiff-deflate")
SEED = 7
LARGEST = 700


def run_exact(bench: Bench) -> None:
    """Random regions at random levels, as PNG: pixels that differ from those of the ordinary region decode."""
    count = 12 if bench.is_quick else 150
    plain = next(iter(bench.servers("plain")), None)
    if plain is None:
        return
    for file in bench.files(*FILES):
        # The ordinary way with HTJ2K is to decode the whole image each time: seconds.
        requests = random_regions(bench.pyramid, count if file != "htj2k" else -(-count // 10))
        expected = _pictures(bench, plain, file, requests)
        for server in bench.servers("single", "ours"):
            got = _pictures(bench, server, file, requests)
            compared = [name for name in requests if name in expected and name in got]
            differing = sum(not np.array_equal(expected[name], got[name]) for name in compared)
            extra = {"differing": float(differing), "compared": float(len(compared))}
            one = Measurement(len(requests), len(requests) - len(compared), 0.0, extra=extra)
            bench.results.add("exact", file, server.name, one)
            bench.say(f"  exact             {file:<14}{server.name:<16}{differing} of {len(compared)} regions differ")


def random_regions(pyramid: Pyramid, count: int) -> list[str]:
    """Anywhere, up to 700 pixels a side, at every level; a third on the grid of tiles, four of them together."""
    chooser = random.Random(SEED)  # noqa: S311 - no secret
    requests = []
    for number in range(count):
        factor = chooser.choice(pyramid.scale_factors)
        if number % 3 == 0:
            side = pyramid.tile * factor
            x = chooser.randrange(pyramid.columns(factor)) * side
            y = chooser.randrange(pyramid.rows(factor)) * side
            width, height = min(2 * side, pyramid.width - x), min(2 * side, pyramid.height - y)
        else:
            x, y = chooser.randrange(pyramid.width - 1), chooser.randrange(pyramid.height - 1)
            width = min(pyramid.width - x, chooser.randrange(1, LARGEST * factor))
            height = min(pyramid.height - y, chooser.randrange(1, LARGEST * factor))
        size = f"{-(-width // factor)},{-(-height // factor)}"
        requests.append(f"{x},{y},{width},{height}/{size}/0/default.png")
    return requests


def _pictures(bench: Bench, server: Server, file: str, requests: list[str]) -> dict[str, NDArray[np.uint8]]:
    """The answers that are pictures."""
    found = {}
    with bench.running(server):
        for request in requests:
            status, body = get(server.port, server.path(file, request))
            if status == 200:
                found[request] = pixels(body)
    return found


def pixels(body: bytes) -> NDArray[np.uint8]:
    image: Any = pyvips.Image.new_from_buffer(body, "")
    return np.asarray(image.numpy(), dtype=np.uint8)


def run_pixels(bench: Bench) -> None:
    """The same tiles of each peer: the mean difference to the picture itself, of 255, so that all do the same work."""
    count = 6 if bench.is_quick else 20
    tiles = [tile for tile in random_tiles(bench.pyramid, 500, seed=SEED) if _is_inside(bench.pyramid, tile)][:count]
    for file in bench.files(*FILES):
        for server in bench.servers("ours", "iipimage", "iiif-processor", "large-image"):
            if file in server.files:
                _compare(bench, server, file, tiles)


def _is_inside(pyramid: Pyramid, tile: Tile) -> bool:
    side = tile.factor * pyramid.tile
    return (tile.column + 1) * side <= pyramid.width and (tile.row + 1) * side <= pyramid.height


def _compare(bench: Bench, server: Server, file: str, tiles: list[Tile]) -> None:
    picture: Any = pyvips.Image.new_from_file(str(next(bench.corpus.folder.glob("picture-*.tif"))), access="random")
    differences, wrong = [], 0
    try:
        with bench.running(server):
            for tile in tiles:
                status, body = get(server.port, server.path(file, tile.path(bench.pyramid)))
                shape = (bench.pyramid.tile, bench.pyramid.tile, 3)
                if status != 200 or pixels(body).shape != shape:
                    wrong += 1
                    continue
                side = bench.pyramid.tile * tile.factor
                region = picture.crop(tile.column * side, tile.row * side, side, side)
                expected = np.asarray(region.shrink(tile.factor, tile.factor).numpy(), dtype=np.int16)
                differences.append(float(np.abs(expected - pixels(body)).mean()))
    except Missing as reason:
        bench.results.add_problem("pixels", file, server.name, str(reason))
        return
    extra = {"mean_difference": sum(differences) / max(1, len(differences)), "worst": max(differences, default=255.0)}
    bench.results.add("pixels", file, server.name, Measurement(len(tiles), wrong, 0.0, extra=extra))
    bench.say(
        f"  pixels            {file:<14}{server.name:<16}mean difference {extra['mean_difference']:.2f}, worst tile "
        f"{extra['worst']:.2f}, {wrong} of {len(tiles)} wrong"
    )
