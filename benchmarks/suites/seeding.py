"""Seeding: all tiles of an image at once, against `vips dzsave`, which makes the same tree."""

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.commands import Missing, find_program, run
from benchmarks.ours import Ours
from benchmarks.results import Measurement

FILE = "jpeg-4096"
SCALE_FACTORS = "8,4,2,1"


def run_seed(bench: Bench) -> None:
    """A JPEG of 4096 pixels, scale factors 8,4,2,1, tiles of 256: `manage.py seed` and `vips dzsave`, in turns.

    The start of Python and Django is measured by itself: it comes once for any number of images.
    """
    source = bench.corpus.find(FILE)
    ours = next((server for server in bench.servers("ours") if isinstance(server, Ours)), None)
    if source is None or ours is None or not bench.files(FILE):
        return
    folder = bench.work / "seeded"
    jobs: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.manage("seed", FILE, "--scale-factors", SCALE_FACTORS, "--out", folder / "ours"),
        "start-up": lambda: ours.manage("seed", "--help"),
        "vips dzsave": lambda: _dzsave(source, folder / "vips"),
    }
    for _ in range(bench.rounds):
        for name, job in jobs.items():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                _timed(bench, name, job, folder)
            except Missing as reason:
                bench.results.add_problem("seed", FILE, name, str(reason))
                bench.say(f"  seed              {name}: {reason}")
    shutil.rmtree(folder, ignore_errors=True)


def _dzsave(source: Path, target: Path) -> None:
    program = find_program("vips", package="libvips-tools")
    run([program, "dzsave", source, target, "--layout", "iiif3", "--tile-size", "256", "--suffix", ".jpg[Q=85]"])


def _timed(bench: Bench, name: str, job: Callable[[], object], folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    job()
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tiles = sum(1 for _ in folder.rglob("*.jpg"))
    bench.results.add("seed", FILE, name, Measurement(max(1, tiles), 0, seconds, cpu, extra={"tiles": float(tiles)}))
    bench.say(f"  seed              {name:<16}{tiles} tiles, {seconds:.2f} s, {cpu:.2f} s CPU")
