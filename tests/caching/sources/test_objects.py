"""Whole copies of sources: complete or absent, within their budget, resumed where they broke off."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caching.sources import filling
from caching.sources.extents import Extent
from caching.sources.filling import Origin
from caching.sources.keys import SourceKey
from caching.sources.objects import FillTimeoutError, ObjectCache
from caching.sources.pins import Pins
from tests.caching.sources.places import Store, body_of, key_of, object_cache, object_folder

SIZE = 300_000
PIECE = 10_000


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(filling, "_PAUSE_SECONDS", 0.001)


@pytest.fixture
def store() -> Store:
    return Store(body_of(1, SIZE))


def always(_error: Exception) -> bool:
    return True


def content(fd: int | None) -> bytes:
    assert fd is not None
    with open(fd, "rb") as file:  # noqa: PTH123
        return file.read()


def get(cache: ObjectCache, store: Store, key: SourceKey | None = None, **options: object) -> bytes:
    return content(cache.get(key or key_of(1), len(store.body), Origin(store.fetch, **options)))  # type: ignore[arg-type]


def files(root: Path) -> list[Path]:
    return [path for path in root.glob("??/*") if path.is_file()]


def bytes_on_disk(root: Path) -> int:
    total = 0
    for path in files(root):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def test_a_source_is_fetched_once(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    assert cache.find(key_of(1)) is None
    assert get(cache, store) == store.body
    assert get(object_cache(tmp_path), store) == store.body
    assert store.bytes_fetched == SIZE
    assert [path.suffix.split("-")[0] for path in files(tmp_path)] == [".object"]


def test_nothing_at_all_is_a_source_too(tmp_path: Path) -> None:
    assert get(object_cache(tmp_path), Store(b"")) == b""


def test_a_copy_of_another_length_is_none(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    get(cache, store)
    (path,) = files(tmp_path)
    os.truncate(path, SIZE - 1)
    assert cache.find(key_of(1)) is None
    assert get(cache, store) == store.body


def test_many_threads_fetch_it_once(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    store.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(get, cache, store) for _ in range(16)]
        store.entered.acquire()
        assert cache.is_filling(key_of(1))
        assert [(one.store, one.byte_size) for one in cache.progress()] == [("store", SIZE)]
        store.gate.set()
        assert all(one.result(30) == store.body for one in asked)
    assert store.bytes_fetched == SIZE
    assert cache.progress() == []


def _get_in_process(root: Path, folder: Path) -> None:
    class Counting(Store):
        def fetch(self, extents: list[Extent]) -> Sequence[bytes]:
            for start, _stop in extents:
                (folder / f"{start}-{os.getpid()}").touch()
            return super().fetch(extents)

    store = Counting(body_of(1, SIZE))
    assert get(object_cache(root), store) == store.body


def test_processes_fetch_it_once(tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_get_in_process, args=(tmp_path, folder)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(int(path.name.split("-")[0]) for path in folder.iterdir()) == list(range(0, SIZE, PIECE))


def test_a_broken_connection_is_taken_up_again(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    fetch, calls = store.fetch, 0

    def breaking(extents: list[Extent]) -> Sequence[bytes]:
        nonlocal calls
        calls += 1
        if calls in {2, 4, 5}:
            raise ConnectionResetError
        return fetch(extents)

    body = content(cache.get(key_of(1), SIZE, Origin(breaking, may_retry=always)))
    assert body == store.body
    assert store.bytes_fetched == SIZE


def test_a_fill_that_failed_goes_on_where_it_was(tmp_path: Path, store: Store) -> None:
    store.errors = [None, None, RuntimeError("away")]  # type: ignore[list-item]
    with pytest.raises(RuntimeError):
        get(object_cache(tmp_path), store)
    had = store.bytes_fetched - filling.PIECES * PIECE
    cache = object_cache(tmp_path)
    assert cache.find(key_of(1)) is None
    assert get(cache, store) == store.body
    assert store.fetched[-1] == (SIZE - PIECE, SIZE)
    assert store.bytes_fetched == had + filling.PIECES * PIECE + SIZE - had
    assert cache._stats.snapshot()["store"]["resumes"] == 1


def test_a_damaged_part_is_not_taken_up(tmp_path: Path, store: Store) -> None:
    store.errors = [None, None, RuntimeError("away")]  # type: ignore[list-item]
    with pytest.raises(RuntimeError):
        get(object_cache(tmp_path), store)
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    assert get(object_cache(tmp_path), store) == store.body


def test_what_is_no_image_is_not_kept(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    origin = Origin(store.fetch, is_sound=lambda head: head.startswith(b"II"))
    assert cache.get(key_of(1), SIZE, origin) is None
    assert files(tmp_path) == []
    assert store.bytes_fetched == filling.PIECES * PIECE


def test_who_waits_too_long_is_told_so(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path, wait_seconds=0.05)
    store.gate.clear()
    try:
        assert cache.start(key_of(1), SIZE, Origin(store.fetch))
        with pytest.raises(FillTimeoutError):
            get(cache, store)
    finally:
        store.gate.set()
    cache.wait()
    assert get(cache, store) == store.body


def test_the_background_takes_so_many_and_no_more(tmp_path: Path) -> None:
    cache, stores = object_cache(tmp_path, threads=2), [Store(body_of(n, SIZE)) for n in range(100)]
    for store in stores:
        store.gate.clear()
    begun = [cache.start(key_of(n), SIZE, Origin(store.fetch)) for n, store in enumerate(stores)]
    assert 64 <= sum(begun) <= 66
    assert sum(thread.name == "fill-source" for thread in threading.enumerate()) == 2
    assert cache.start(key_of(0), SIZE, Origin(stores[0].fetch))  # it is under way already
    for store in stores:
        store.gate.set()
    cache.wait()
    assert sum(store.bytes_fetched for store in stores) == sum(begun) * SIZE


def test_ten_times_the_budget_and_the_hot_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caching.sources.uses._PERIOD_SECONDS", 0.0)
    budget = 10 * SIZE
    cache = object_cache(tmp_path, object_folder(tmp_path, budget))
    hot = [key_of(number) for number in range(3)]
    for number in range(100):
        store = Store(body_of(number, SIZE))
        assert get(cache, store, key_of(number)) == store.body
        assert bytes_on_disk(tmp_path) <= budget + SIZE
        for key in hot[: number + 1]:
            assert content(cache.find(key))
    cache._folder.sweep()
    assert bytes_on_disk(tmp_path) <= budget


def test_a_pinned_source_stays_though_nobody_asks_for_it(tmp_path: Path) -> None:
    cache, pins = object_cache(tmp_path, object_folder(tmp_path, 5 * SIZE)), Pins(tmp_path / "pins")
    pins.add(key_of(0).place)
    for number in range(30):
        get(cache, Store(body_of(number, SIZE)), key_of(number))
    assert content(cache.find(key_of(0))) == body_of(0, SIZE)
    pins.remove(key_of(0).place)
    for number in range(30, 40):
        get(cache, Store(body_of(number, SIZE)), key_of(number))
    assert cache.find(key_of(0)) is None


def test_entries_are_a_budget_too(tmp_path: Path) -> None:
    cache = object_cache(tmp_path, object_folder(tmp_path, entries=10))
    for number in range(40):
        get(cache, Store(body_of(number, 100)), key_of(number))
        assert len(files(tmp_path)) <= 11


def test_larger_than_the_budget_is_not_kept(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path, object_folder(tmp_path, SIZE // 2))
    assert cache.get(key_of(1), SIZE, Origin(store.fetch)) is None
    assert (store.calls, files(tmp_path)) == (0, [])


def test_an_open_copy_outlives_its_eviction(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    get(cache, store)
    fd = cache.find(key_of(1))
    cache.discard(key_of(1).place)
    assert cache.find(key_of(1)) is None
    assert content(fd) == store.body


def test_unused_copies_and_left_files_are_swept(tmp_path: Path, store: Store) -> None:
    folder = object_folder(tmp_path, ttl_seconds=3600)
    cache = object_cache(tmp_path, folder)
    get(cache, store)
    store.errors = [None, RuntimeError("away")]  # type: ignore[list-item]
    with pytest.raises(RuntimeError):
        get(cache, store, key_of(2))
    folder.sweep()
    assert len(files(tmp_path)) == 2
    for path in files(tmp_path):
        os.utime(path, (time.time() - 700, time.time() - 700))
    report = folder.sweep()
    assert report.leftovers == 1
    assert content(cache.find(key_of(1))) == store.body
    (path,) = files(tmp_path)
    os.utime(path, (0, 0))
    (tmp_path / "uses").unlink()
    folder.sweep()
    assert files(tmp_path) == []
    assert folder.ledger.usage().held.bytes == 0


def test_a_disk_that_refuses(tmp_path: Path, store: Store) -> None:
    cache = object_cache(tmp_path)
    (tmp_path / key_of(1).name[:2]).write_text("in the way")
    assert cache.get(key_of(1), SIZE, Origin(store.fetch)) is None
    assert not cache.start(key_of(3), SIZE, Origin(store.fetch))  # for a while nothing is tried


def _fill_for_ever(root: Path) -> None:
    for number in range(10_000):
        store = Store(body_of(number % 7, SIZE))
        cache = object_cache(root)
        cache.discard(key_of(number % 7).place)
        get(cache, store, key_of(number % 7))


def test_killed_while_it_fills(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(25):
        child = context.Process(target=_fill_for_ever, args=(tmp_path,))
        child.start()
        while not files(tmp_path):
            threading.Event().wait(0.002)
        threading.Event().wait(0.004 * (attempt % 9))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        cache = object_cache(tmp_path)
        for number in range(7):
            fd = cache.find(key_of(number))
            if fd is not None:
                assert content(fd) == body_of(number, SIZE)
    for path in files(tmp_path):
        os.utime(path, (time.time() - 700, time.time() - 700))
    folder = object_folder(tmp_path)
    folder.sweep()
    assert not [path for path in files(tmp_path) if path.name.endswith(".new")]
    assert folder.ledger.usage().held.entries == len(files(tmp_path))
