"""Ranges of sources: fetched once by a host, whatever happens to the threads, processes and files meanwhile."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caching.sources.block_file import BlockFile
from caching.sources.block_index import BlockIndex
from caching.sources.extents import Extent
from tests.caching.sources.places import Store, block_cache, body_of, key_of

SIZE = 1 << 20
BODY = body_of(1, SIZE)


@pytest.fixture
def store() -> Store:
    return Store(BODY)


def read(cache: object, store: Store, *extents: Extent, number: int = 1) -> list[bytes]:
    bodies: list[bytes] = cache.read(key_of(number), len(store.body), extents, store.fetch)  # type: ignore[attr-defined]
    assert bodies == [store.body[start:stop] for start, stop in extents]
    return bodies


def files(root: Path) -> list[Path]:
    return list((root / "blocks").glob("??/*"))


@pytest.mark.parametrize(("memory", "disk"), [(1 << 22, 0), (0, 1 << 24), (1 << 22, 1 << 24)])
def test_what_was_read_once_is_not_fetched_again(tmp_path: Path, store: Store, memory: int, disk: int) -> None:
    cache = block_cache(tmp_path, memory_bytes=memory, disk_bytes=disk)
    read(cache, store, (100, 5000), (200_000, 200_500), (100, 300), (7, 7))
    assert store.calls == 1
    read(cache, store, (150, 4000), (200_000, 200_500))
    assert store.calls == 1
    read(cache, store, (4000, 6000), (199_000, 200_100))  # what is missing of it comes in one round
    assert store.calls == 2
    assert store.fetched[2:] == [(5000, 6000), (199_000, 200_000)]


def test_another_version_shares_nothing(tmp_path: Path, store: Store) -> None:
    cache, other = block_cache(tmp_path), Store(body_of(1, SIZE, version=2))
    read(cache, store, (0, 1000))
    assert cache.read(key_of(1, version=2), SIZE, [(0, 1000)], other.fetch) == [other.body[:1000]]
    assert other.bytes_fetched == 1000


def test_another_process_finds_it_on_the_disk(tmp_path: Path, store: Store) -> None:
    read(block_cache(tmp_path), store, (0, 1000), (50_000, 60_000))
    cache = block_cache(tmp_path)
    assert cache.find_byte_size(key_of(1)) == SIZE
    read(cache, store, (0, 500), (55_000, 60_000))
    assert store.calls == 1
    assert cache.find_byte_size(key_of(2)) is None


@pytest.mark.parametrize("disk", [0, 1 << 24])
def test_many_threads_fetch_each_byte_once(tmp_path: Path, store: Store, disk: int) -> None:
    cache = block_cache(tmp_path, memory_bytes=1 << 22, disk_bytes=disk)
    store.gate.clear()
    with ThreadPoolExecutor(24) as pool:
        asked = [
            pool.submit(read, cache, store, (0, 40_000), (200_000 + number * 30_000, 200_100 + number * 30_000))
            for number in range(24)
        ]
        store.entered.acquire()
        store.gate.set()
        for one in asked:
            one.result(30)
    assert store.bytes_fetched == 40_000 + 24 * 100


def test_a_failure_is_shared_but_not_kept(tmp_path: Path, store: Store) -> None:
    cache = block_cache(tmp_path)
    store.errors = [RuntimeError("away")]
    store.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(read, cache, store, (0, 1000)) for _ in range(8)]
        store.entered.acquire()
        while cache._stats.snapshot()["store"]["waits"] < 7:
            threading.Event().wait(0.005)
        store.gate.set()
        assert all(isinstance(one.exception(30), RuntimeError) for one in asked)
    assert store.calls == 1
    read(cache, store, (0, 1000))
    assert store.calls == 2


def test_who_waits_too_long_fetches_alone(tmp_path: Path, store: Store) -> None:
    cache, quick = block_cache(tmp_path, wait_seconds=0.05), Store(BODY)
    store.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(read, cache, store, (0, 1000))
        store.entered.acquire()
        read(cache, quick, (0, 1000))
        store.gate.set()
        slow.result(30)
    assert (quick.calls, store.calls) == (1, 1)
    assert cache._stats.snapshot()["store"]["wait_timeouts"] == 1


def _read_in_process(root: Path, folder: Path, barrier: object, seed: int) -> None:
    class Counting(Store):
        def fetch(self, extents: list[Extent]) -> list[bytes]:
            for start, stop in extents:
                (folder / f"{start}-{stop}-{os.getpid()}").touch()
            return list(super().fetch(extents))

    cache, store = block_cache(root), Counting(BODY)
    barrier.wait()  # type: ignore[attr-defined]
    for step in range(20):
        start = ((seed + step) * 7 % 20) * 10_000
        read(cache, store, (start, start + 5000), (800_000, 810_000))


def test_processes_fetch_each_byte_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    folder, barrier = tmp_path / "fetched", context.Barrier(4)
    folder.mkdir()
    workers = [context.Process(target=_read_in_process, args=(tmp_path, folder, barrier, seed)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(int(path.name.split("-")[0]) for path in folder.iterdir()) == [*range(0, 200_000, 10_000), 800_000]


def test_damaged_blocks_are_fetched_again(tmp_path: Path, store: Store) -> None:
    read(block_cache(tmp_path), store, (0, 5000), (100_000, 105_000))
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    data[-10] ^= 1  # in the second body
    path.write_bytes(bytes(data))
    cache = block_cache(tmp_path)
    read(cache, store, (0, 5000), (100_000, 105_000))
    assert store.fetched[2:] == [(100_000, 105_000)]
    assert cache._stats.snapshot()["store"]["corrupt"] == 1
    read(block_cache(tmp_path), store, (0, 5000), (100_000, 105_000))  # healed
    assert store.calls == 2


@pytest.mark.parametrize("damage", [b"", b"x" * 200])
def test_a_file_that_is_none_is_replaced(tmp_path: Path, store: Store, damage: bytes) -> None:
    read(block_cache(tmp_path), store, (0, 5000))
    (path,) = files(tmp_path)
    path.write_bytes(damage)
    read(block_cache(tmp_path), store, (0, 5000))
    read(block_cache(tmp_path), store, (0, 5000))
    assert store.calls == 2


@pytest.mark.parametrize("lost", [1, 20, 4000, 5010])
def test_a_torn_end_is_cut_off(tmp_path: Path, store: Store, lost: int) -> None:
    read(block_cache(tmp_path), store, (0, 5000))
    read(block_cache(tmp_path), store, (100_000, 105_000))
    (path,) = files(tmp_path)
    os.truncate(path, path.stat().st_size - lost)
    cache = block_cache(tmp_path)
    read(cache, store, (0, 5000), (100_000, 105_000), (200_000, 201_000))
    assert store.fetched[2:] == [(100_000, 105_000), (200_000, 201_000)]
    read(block_cache(tmp_path), store, (0, 5000), (100_000, 105_000), (200_000, 201_000))
    assert store.calls == 3


def _append_for_ever(root: Path) -> None:
    cache, store = block_cache(root), Store(BODY)
    number = 0
    while True:
        start = number * 4_001 % (SIZE - 9_000)
        read(cache, store, (start, start + 3_000 + number % 2_000), number=1)
        number += 1


def test_killed_while_it_appends(tmp_path: Path, store: Store) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(15):
        child = context.Process(target=_append_for_ever, args=(tmp_path,))
        child.start()
        while not files(tmp_path):
            threading.Event().wait(0.002)
        threading.Event().wait(0.003 * (attempt % 7))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        cache = block_cache(tmp_path)
        read(cache, store, *[(start, start + 4_000) for start in range(0, SIZE - 9_000, 50_000)])


def test_an_evicted_file_stays_readable_and_is_made_anew(tmp_path: Path, store: Store) -> None:
    cache = block_cache(tmp_path, memory_bytes=0)
    read(cache, store, (0, 1000))
    (path,) = files(tmp_path)
    path.unlink()
    read(cache, store, (0, 1000), (2000, 3000))
    assert store.calls == 2
    assert len(files(tmp_path)) == 1
    read(block_cache(tmp_path), store, (0, 1000), (2000, 3000))
    assert store.calls == 2


def test_never_above_the_budget(tmp_path: Path) -> None:
    budget = 1 << 20
    cache = block_cache(tmp_path, memory_bytes=0, disk_bytes=budget)
    for number in range(100):
        store = Store(body_of(number, 100_000))
        read(cache, store, (0, 100_000), number=number)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= budget
        cache.wait_for_sweep()
    assert files(tmp_path)


def test_a_disk_that_refuses_costs_only_the_keeping(tmp_path: Path, store: Store) -> None:
    (tmp_path / "blocks").write_text("in the way")
    cache = block_cache(tmp_path)
    read(cache, store, (0, 1000))
    read(cache, store, (0, 1000))  # from memory
    assert store.calls == 1
    assert cache._stats.snapshot()["store"]["bypassed"] == 0


class _Raced(BlockIndex):
    """Another thread lets go of the file after whoever looks at it has seen it once."""

    races = False

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if name == "file" and value is not None and super().__getattribute__("races"):
            object.__setattr__(self, "file", None)
        return value


def test_a_file_that_another_thread_lets_go_of_meanwhile(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.sources.blocks.BlockIndex", _Raced)
    cache = block_cache(tmp_path, memory_bytes=0)
    read(cache, store, (0, 1000))
    monkeypatch.setattr(_Raced, "races", True)
    cache._object(key_of(1))  # looks at the file again and again, and it goes away each time
    monkeypatch.setattr(_Raced, "races", False)
    read(cache, store, (0, 1000))
    assert store.calls == 1


def test_records_of_a_file_that_was_replaced_say_nothing(tmp_path: Path) -> None:
    path, temporary, key = str(tmp_path / "a"), str(tmp_path / "t"), key_of(1)
    old = BlockFile.create(path, temporary, key, SIZE)
    records = old.append([(0, b"old")])
    Path(path).unlink()
    index, new = BlockIndex(key), BlockFile.create(path, temporary, key, SIZE)
    assert index.adopt(old) is old
    index.let_go(old)
    assert index.adopt(new) is new
    assert index.adopt(old) is new
    index.add_records(old, records)
    index.let_go(old)
    assert index.file is new
    assert index.kept([(0, 3)]) == []
