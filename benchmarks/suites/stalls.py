"""Other images while the store of some does not answer: their latency beside that with all stores healthy."""

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.commands import Missing, run
from benchmarks.corpus import Corpus
from benchmarks.environment import ROOT
from benchmarks.measuring import ask, client, measure
from benchmarks.ours import Ours
from benchmarks.traces import random_tiles
from tests.support import faults
from tests.support.origin import Exchange, Origin

FILE = "tiff-jpeg"
HEALTHY = "all healthy"
HUNG = 32
RTT_SECONDS = 0.005
_TILES = 150
_SEED = 6
_PAUSE_SECONDS = 0.2
"""A client asks for another tile no sooner: one that hammers would take the processor time, hanging store or not."""


class Stalled(Ours):
    """An image on the disk (`disk`), one in a healthy store (`fine`), and many in a store that can be made to hang."""

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
        for number in range(HUNG):
            self.hanging.put(f"corpus/hung-{number}", source)
        self.manage("bootstrap")
        words = [self.fine.endpoint, self.hanging.endpoint, str(HUNG), str(source)]
        run([sys.executable, "-m", "benchmarks.stalls_script", *words], cwd=ROOT, environment=self.environment())
        cache = self._data / "cache"
        shutil.rmtree(cache / "sources", ignore_errors=True)
        shutil.copytree(cache, self._data / "cache-cold")


def run_stalls(bench: Bench) -> None:
    """Tiles of other images, cold and warm, with all stores healthy and with 1, 8, 32 clients of one that hangs."""
    if not bench.files(FILE):
        return
    with Origin() as fine, Origin() as hanging:
        server = Stalled(bench.corpus, bench.work, fine, hanging)
        bench.say("Preparing images of three stores …")
        server.prepare()
        fine.conditions.rtt = RTT_SECONDS
        bench.results.servers["remote"] = server.version()
        for _ in range(bench.rounds):
            _measured(bench, server, HEALTHY, 0)
            for clients in (1, 8, HUNG):
                hanging.fail(faults.hang)
                _measured(bench, server, f"hangs for {clients}", clients)
            hanging.fail(_drip)
            _measured(bench, server, "drips for 8", 8)


def _measured(bench: Bench, server: Stalled, label: str, clients: int) -> None:
    tiles = [
        tile.path(bench.pyramid)
        for tile in random_tiles(bench.pyramid, _TILES, seed=_SEED, metatile=bench.pyramid.tile)
    ]
    with bench.running(server), _insisting(bench, server, clients):
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
def _insisting(bench: Bench, server: Stalled, clients: int) -> Iterator[None]:
    """Meanwhile so many clients ask for tiles that do not come, one at a time each."""
    if not clients:
        yield
        return
    tiles = [
        tile.path(bench.pyramid)
        for tile in random_tiles(bench.pyramid, _TILES, seed=_SEED + 1, metatile=bench.pyramid.tile)
    ]
    crowd = [
        client([[server.path(f"hung-{number}", one) for one in tiles]], connections=1, every_seconds=_PAUSE_SECONDS)
        for number in range(clients)
    ]
    server.hanging.log.clear()
    thread = threading.Thread(target=lambda: ask(server.port, crowd, seconds=12.0))
    thread.start()
    try:
        for _ in range(200):
            if server.hanging.log.count():
                break
            threading.Event().wait(0.05)
        threading.Event().wait(1.0)
        yield
    finally:
        server.hanging.mend()
        thread.join()


def _drip(exchange: Exchange) -> None:
    """A byte of the answer's head now and then."""
    while not exchange.server.stopping.wait(0.5):
        try:
            exchange.wfile.write(b"H")
            exchange.wfile.flush()
        except OSError:
            break
    exchange.close_connection = True
