"""Eviction, failures, memory, last uses: the small parts."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.eviction import Amount
from caching.singleflight import FlightTimeoutError
from caching.sources.eviction import UNFINISHED_SECONDS, KeptFile, plan_eviction, usage_of
from caching.sources.failures import Failures
from caching.sources.lru import ByteLru
from caching.sources.memories import MemoryObjects
from caching.sources.stats import SourceStats
from caching.sources.uses import UseTimes
from tests.caching.sources.places import Store, body_of, key_of
from tests.support.examples import dear

NOW = 1_000_000.0
FILES = st.builds(
    KeptFile,
    name=st.text("abcdef0123", min_size=3, max_size=8),
    place=st.sampled_from(["a", "b", "c", "d"]),
    byte_size=st.integers(0, 50_000),
    used=st.floats(0, NOW),
    written=st.floats(0, NOW),
    is_unfinished=st.booleans(),
)


@dear
@given(st.lists(FILES, unique_by=lambda file: file.name), st.integers(0, 200_000), st.floats(0, 2 * NOW))
def test_what_is_left_fits_or_cannot_go(files: list[KeptFile], target: int, ttl: float) -> None:
    chosen = plan_eviction(files, Amount(target, 1000), now=NOW, ttl_seconds=ttl, pinned={"a"})
    left = [file for file in files if file not in chosen]
    assert len({file.name for file in chosen}) == len(chosen)
    assert all(file.place != "a" or file.is_unfinished for file in chosen)
    assert all(NOW - file.written > UNFINISHED_SECONDS for file in chosen if file.is_unfinished)
    if not usage_of(left).fits(Amount(target, 1000)):
        assert all(file.place == "a" or file.is_unfinished for file in left)


def test_an_older_version_goes_before_an_older_use() -> None:
    old = KeptFile("a-1", "a", 10_000, 500, 0)
    new = KeptFile("a-2", "a", 10_000, 900, 0)
    other = KeptFile("b-1", "b", 10_000, 100, 0)
    chosen = plan_eviction([new, old, other], usage_of([new, other]), now=NOW, ttl_seconds=0)
    assert chosen == [old]


def test_failures_are_forgotten_in_time() -> None:
    now = [0.0]
    failures, error = Failures(10.0, clock=lambda: now[0]), RuntimeError()
    failures.note("a-1", error)
    failures.note("b-1", error)
    now[0] = 4.9
    assert failures.find("a-1") is error
    failures.forget("b")
    assert failures.find("b-1") is None
    now[0] = 15.1
    assert failures.find("a-1") is None


def test_the_least_recently_used_bytes_go() -> None:
    lru: ByteLru[int] = ByteLru(3 * 1400)
    for number in range(3):
        assert lru.put(number, bytes(1000))
    assert lru.find(0) is not None
    lru.put(3, bytes(1000))
    assert (lru.find(1), lru.find(0) is not None) == (None, True)
    assert lru.byte_size <= 3 * 1400
    assert not lru.put(4, bytes(5000))


def test_a_source_in_memory_is_fetched_by_one_thread() -> None:
    memory, store = MemoryObjects(1 << 20, stats=SourceStats()), Store(body_of(1, 100_000))
    store.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(memory.get, key_of(1), 100_000, store.fetch) for _ in range(8)]
        store.entered.acquire()
        store.gate.set()
        assert all(one.result(30) == store.body for one in asked)
    assert store.calls == 1
    assert memory.takes(1 << 19)
    assert not memory.takes((1 << 19) + 1)
    memory.discard(key_of(1).place)
    assert memory.find(key_of(1)) is None


def test_a_source_in_memory_is_not_waited_for_for_ever() -> None:
    memory, store = MemoryObjects(1 << 20, stats=SourceStats(), wait_seconds=0.05), Store(body_of(1, 1000))
    store.gate.clear()
    thread = threading.Thread(target=memory.get, args=(key_of(1), 1000, store.fetch))
    thread.start()
    store.entered.acquire()
    with pytest.raises(FlightTimeoutError):
        memory.get(key_of(1), 1000, store.fetch)
    store.gate.set()
    thread.join()


def test_last_uses_are_seen_by_other_processes(tmp_path: Path) -> None:
    uses, key = UseTimes(tmp_path / "uses"), key_of(1)
    assert uses.read().of(key.name) == 0
    uses.note(key.name)
    assert UseTimes(tmp_path / "uses").read().of(key.name) > 0
    assert uses.read().of(key_of(2).name) == 0
