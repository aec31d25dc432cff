"""Other images while the store of some does not answer: their latency beside that with all stores healthy."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.commands import Missing, run
from benchmarks.corpus import Corpus
from benchmarks.environment import ROOT
from benchmarks.measuring import client, measure
from benchmarks.ours import Ours
from benchmarks.servers import HOST
from benchmarks.traces import random_tiles
from tests.support import faults
from tests.support.origin import Exchange, Origin

FILE = "tiff-jpeg"
HEALTHY = "all healthy"
HUNG = 32
IN_VAIN = "in vain"
STORES = ("hung", "too")
"""Two stores that can be made to hang, by what the identifiers of their images begin with."""
RTT_SECONDS = 0.005
_TILES = 420
_SEED = 6
_SETTLE_SECONDS = 2.0
"""Before anything is measured: until it is known that the store hangs."""
_PAUSE_SECONDS = 0.2
"""A client asks for another tile no sooner: one that hammers would take the processor time, hanging store or not."""


class Stalled(Ours):
    """An image on the disk (`disk`), one in a healthy store (`fine`), many in two stores that can be made to hang."""

    def __init__(self, corpus: Corpus, work: Path, fine: Origin, hanging: Origin) -> None:
        super().__init__(corpus, work, "remote")
        self.fine = fine
        self.hanging = hanging

    def prepare(self) -> None:
        source = self.corpus.find(FILE)
        if source is None:
            raise Missing(f"no {FILE}")
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        self.fine.put("corpus/fine", source)
        for name in _names(HUNG, STORES):
            self.hanging.put(f"corpus/{name}", source)
        self.manage("bootstrap")
        words = [self.fine.endpoint, self.hanging.endpoint, str(HUNG), str(source), *STORES]
        run([sys.executable, "-m", "benchmarks.stalls_script", *words], cwd=ROOT, environment=self.environment())
        cache = self._data / "cache"
        shutil.rmtree(cache / "sources", ignore_errors=True)
        shutil.copytree(cache, self._data / "cache-cold")


def run_stalls(bench: Bench) -> None:
    """Tiles of other images, cold and warm, while a store hangs, or two, beside those with all stores healthy."""
    if not bench.files(FILE):
        return
    with Origin() as fine, Origin() as hanging:
        server = Stalled(bench.corpus, bench.work, fine, hanging)
        bench.say("Preparing images of three stores …")
        server.prepare()
        fine.conditions.rtt = RTT_SECONDS
        bench.results.servers["remote"] = server.version()
        for _ in range(bench.rounds):
            _measured(bench, server, HEALTHY, [])
            for clients in (1, 8, HUNG):
                hanging.fail(faults.hang)
                _measured(bench, server, f"hangs for {clients}", _names(clients, STORES[:1]))
            hanging.fail(faults.hang)
            _measured(bench, server, f"two hang for {2 * HUNG}", _names(HUNG, STORES))
            hanging.fail(_drip)
            _measured(bench, server, "drips for 8", _names(8, STORES[:1]))
            _measured(bench, server, f"{IN_VAIN} for {2 * HUNG}", _names(HUNG, ("none", "nil")))
            _measured(bench, server, f"{HEALTHY}, again", [])


def _names(clients: int, stores: Sequence[str]) -> list[str]:
    """The image that each client asks for; of no store: one that there is none of."""
    return [f"{store}-{number}" for store in stores for number in range(clients)]


def _measured(bench: Bench, server: Stalled, label: str, asked: Sequence[str]) -> None:
    tiles = [
        tile.path(bench.pyramid)
        for tile in random_tiles(bench.pyramid, _TILES, seed=_SEED, metatile=bench.pyramid.tile)
    ]
    with bench.running(server), _insisting(bench, server, asked):
        for state in ("cold", "warm"):
            for file in ("disk", "fine"):
                measured, _ = measure(server, [client([[server.path(file, one) for one in tiles]], connections=2)])
                bench.results.add(f"stalls {state}", file, label, measured)
                bench.say(
                    f"  {state:<6}{file:<6}{label:<16}p50 {measured.percentile_ms(50):7.1f} p99"
                    f" {measured.percentile_ms(99):7.1f} most {measured.percentile_ms(100):7.1f} ms"
                    f" {measured.failed} failed"
                )
    server.hanging.mend()


@contextmanager
def _insisting(bench: Bench, server: Stalled, asked: Sequence[str]) -> Iterator[None]:
    """Meanwhile a client for each of these images asks for tiles that do not come, one at a time."""
    if not asked:
        yield
        return
    tiles = [
        tile.path(bench.pyramid)
        for tile in random_tiles(bench.pyramid, 2 * _TILES, seed=_SEED + 1, metatile=bench.pyramid.tile)
    ]
    crowd = [
        client([[server.path(name, one) for one in tiles]], connections=1, every_seconds=_PAUSE_SECONDS)
        for name in asked
    ]
    task = {"host": HOST, "port": server.port, "clients": crowd, "seconds": 900.0}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as load:
        try:
            if load.stdin:
                load.stdin.write(json.dumps(task).encode())
                load.stdin.close()
            threading.Event().wait(_SETTLE_SECONDS)
            yield
        finally:
            server.hanging.mend()
            load.kill()


def _drip(exchange: Exchange) -> None:
    """A byte of the answer's head now and then."""
    while not exchange.server.stopping.wait(0.5):
        try:
            exchange.wfile.write(b"H")
            exchange.wfile.flush()
        except OSError:
            break
    exchange.close_connection = True
