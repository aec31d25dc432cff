"""A budget in bytes and files that holds at every moment."""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caching.backends.entry_file import SMALL_BODY_BYTES
from caching.backends.layout import Layout
from caching.derivatives import DerivativeCache
from tests.caching.conftest import body_of, bytes_below, key_of, store

Make = Callable[..., DerivativeCache]
BUDGET = 100 * 8192


@pytest.mark.parametrize("grace", [0.0, 60.0])
def test_ten_times_the_budget(make_cache: Make, root: Path, grace: float) -> None:
    cache = make_cache(byte_budget=BUDGET, grace=grace)
    for number in range(1000):
        store(cache, key_of(number, image=number % 10))
        if number % 10 == 0:
            assert bytes_below(root / "entries") <= BUDGET
        if number % 90 == 0:
            cache.wait_for_sweep()
            cache._trigger._rest_until = 0.0
    cache.wait_for_sweep()
    assert bytes_below(root / "entries") <= BUDGET
    counts = cache.stats.snapshot()
    if grace:  # all are young: rather than evict them, the cache takes no more
        assert counts["evictions"] == 0
        assert cache.find(key_of(0)) is not None
    else:
        assert counts["evictions"] > 100
    assert counts["refused"] > 0
    assert counts["errors"] == 0
    cache.sweep()
    assert cache.usage().held.bytes <= BUDGET


def test_files_and_folders_are_on_a_budget_too(make_cache: Make, root: Path) -> None:
    cache = make_cache(entry_budget=50, grace=0.0)
    for number in range(500):
        store(cache, key_of(number, image=number), 10)
        assert sum(1 for path in (root / "entries").glob("*/*/*")) <= 25
    cache.wait_for_sweep()
    assert cache.sweep().usage is not None
    assert cache.usage().held.entries <= 45
    assert not [path for path in (root / "entries").glob("*/*") if not any(path.iterdir())]


def test_an_entry_larger_than_the_budget_is_served(make_cache: Make) -> None:
    cache = make_cache(byte_budget=BUDGET)
    key = key_of(1)
    assert store(cache, key, 2 * BUDGET) == body_of(key, 2 * BUDGET)
    assert cache.find(key) is None


def test_the_least_recently_used_go(make_cache: Make, layout: Layout) -> None:
    cache = make_cache(byte_budget=BUDGET, grace=0.0, image_share=1.0)
    for number in range(94):
        key = key_of(number)
        store(cache, key)
        used = time.time() - 10_000 + number
        os.utime(layout.path_of(key), (used, used))
    cache.wait_for_sweep()
    assert cache.find(key_of(0)) is not None  # a use renews it
    cache.sweep()
    left = [number for number in range(94) if Path(layout.path_of(key_of(number))).exists()]
    assert left == [0, *range(94 - len(left) + 1, 94)]
    assert 80 <= len(left) < 90


def test_a_nearly_full_file_system_lowers_the_budget(make_cache: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache(grace=0.0)
    for number in range(50):
        store(cache, key_of(number))
    cache.wait_for_sweep()
    status = os.statvfs("/")
    full = os.statvfs_result(
        (4096, 4096, 1000, 0, 0, status.f_files, status.f_ffree, status.f_favail, status.f_flag, 255)
    )
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    assert cache.sweep().evicted.entries >= 15
    assert cache.usage().held.bytes <= 0.9 * (51 * 8192 - 20 * 4096)


def test_bodies_outlive_their_eviction(make_cache: Make) -> None:
    """Readers of large entries while a sweeper evicts all it can: no body is cut or mixed."""
    size = SMALL_BODY_BYTES + 500_000
    cache = make_cache(byte_budget=6 * size, grace=0.0, touch=0.0)
    stop = threading.Event()
    hits = 0

    def work(seed: int) -> int:
        rng = random.Random(seed)
        done = 0
        while not stop.is_set():
            key = key_of(rng.randrange(8))
            derivative = cache.find(key)
            if derivative is None:
                store(cache, key, size)
                continue
            body = b""
            for chunk in derivative.chunks:
                body += chunk
                time.sleep(0)
            assert body == body_of(key, size)
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, seed) for seed in range(4)]
        for _ in range(40):
            cache.sweep()
            cache.discard_all()
            time.sleep(0.02)
        stop.set()
        hits = sum(worker.result() for worker in workers)
    assert hits > 10
    assert cache.stats.snapshot()["corrupt"] == 0
    assert cache.stats.snapshot()["errors"] == 0
