"""Writers that are killed in the middle, and many processes on one folder."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from caching.backends.layout import Layout
from caching.derivatives import DerivativeCache
from caching.keys import DerivativeKey
from tests.caching.conftest import body_of, files_below, key_of, store

Make = Callable[..., DerivativeCache]
PROJECT = Path(__file__).resolve().parents[2]
SIZES = (700, 30_000, 400_000)
KEYS = 60

WRITER = """
import os, random, sys
from pathlib import Path
from caching.backends.disk import DiskBackend
from caching.derivatives import DerivativeCache
from tests.caching.conftest import body_of, key_of, production_of
from tests.caching.test_crash import KEYS, size_of
root, seed = Path(sys.argv[1]), int(sys.argv[2])
parent = os.getppid()
rng = random.Random(seed)
print("ready", flush=True)
sys.stdin.readline()
# One start of the interpreter serves many kills: each child writes until it is killed.
while True:
    child = os.fork()
    if child == 0:
        cache = DerivativeCache(DiskBackend(root, byte_budget=6_000_000, grace=0.0))
        while os.getppid() != 1:
            key = key_of(rng.randrange(KEYS))
            derivative = cache.get_or_create(
                key, lambda: production_of(key, size_of(key), 10_000), stream=rng.random() < 0.5
            )
            assert b"".join(derivative.chunks) == body_of(key, size_of(key))
            if rng.random() < 0.2:
                cache.discard_image(key.image)
        os._exit(0)
    rng.random()
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"a writer ended by itself: {status}")
"""

MAKER = """
import sys, time
from pathlib import Path
from caching.backends.disk import DiskBackend
from caching.derivatives import DerivativeCache, Production
from caching.locks import KeyLocks
from caching.singleflight import SingleFlight
from tests.caching.conftest import body_of, key_of
root = Path(sys.argv[1])
cache = DerivativeCache(DiskBackend(root / "derivatives"), SingleFlight(KeyLocks(root / "flights.lock"), 10.0))
print("ready", flush=True)
sys.stdin.readline()
for number in range(5):
    def produce(key=key_of(number)):
        time.sleep(0.1)
        print("made", number, flush=True)
        return Production("image/jpeg", iter([body_of(key)]))
    derivative = cache.get_or_create(key_of(number), produce)
    assert b"".join(derivative.chunks) == body_of(key_of(number))
"""


def size_of(key: DerivativeKey) -> int:
    return SIZES[int(key.parameters.split(",")[0]) % len(SIZES)]


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_writers_killed_in_the_middle(make_cache: Make, root: Path, layout: Layout) -> None:
    rng = random.Random(20261120)
    writers = [start(WRITER, str(root), str(seed)) for seed in range(2)]
    try:
        for writer in writers:
            assert line_of(writer) == "ready"
            go(writer)
        for _ in range(100):
            for writer in writers:
                child = int(line_of(writer))
                time.sleep(rng.uniform(0.001, 0.02))
                os.kill(child, signal.SIGKILL)
        assert [writer.poll() for writer in writers] == [None, None]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    left_behind = len(files_below(layout.temporary))
    time.sleep(0.05)
    cache = make_cache(temporary_age=0.0, grace=0.0, byte_budget=6_000_000)
    report = cache.sweep()
    assert report.ran
    assert report.leftovers >= left_behind - 2
    assert report.damaged == 0
    assert not files_below(layout.temporary)
    for number in range(KEYS):
        key = key_of(number)
        found = cache.find(key)
        assert found is None or b"".join(found.chunks) == body_of(key, size_of(key))
        assert store(cache, key, size_of(key)) == body_of(key, size_of(key))
    assert cache.stats.snapshot()["corrupt"] == 0


def test_processes_of_a_host_make_each_derivative_once(tmp_path: Path) -> None:
    makers = [start(MAKER, str(tmp_path)) for _ in range(3)]
    for maker in makers:
        assert line_of(maker) == "ready"
    for maker in makers:
        go(maker)
    made = [maker.communicate(timeout=60)[0].split("\n")[:-1] for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0, 0]
    assert sorted(line for lines in made for line in lines) == [f"made {number}" for number in range(5)]
