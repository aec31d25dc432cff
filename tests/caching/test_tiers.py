"""Several tiers: what is asked where, what is written where, and that nothing waits for the slow ones."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caching.backends.disk import DiskBackend
from caching.backends.objects import ObjectBackend
from caching.backends.protocol import DerivativeBackend, Entry, EntryWriter, SweepReport, Usage
from caching.backends.redis import RedisBackend
from caching.derivatives import DerivativeCache, Production
from caching.errors import CacheUnavailableError
from caching.eviction import NOTHING, Amount, EntryInfo
from caching.keys import DerivativeKey
from caching.locks import KeyLocks
from caching.node_locks import NodeLocks, SharedLocks
from caching.singleflight import SingleFlight
from caching.stats import CacheStats
from caching.tiers import FarTier, FarTiers
from tests.caching.conftest import body_of, files_below, image_name, key_of, production_of, store
from tests.caching.shared import shared_server, wait_until
from tests.caching.test_backends import put
from tests.support.redis import Redis


class Watched:
    """A real backend: how often it is asked is counted; it can be held up, and fail."""

    def __init__(self, backend: DerivativeBackend) -> None:
        self.backend = backend
        self.finds = self.writes = 0
        self.is_failing = False
        self.open = threading.Event()
        self.open.set()

    def find(self, key: DerivativeKey) -> Entry | None:
        self.finds += 1
        self._pass()
        return self.backend.find(key)

    def open_writer(self, key: DerivativeKey, content_type: str) -> EntryWriter | None:
        self.writes += 1
        self.open.wait(20)
        self._pass()
        return self.backend.open_writer(key, content_type)

    def discard(self, image: str | None = None, before_version: int | None = None, *, dry_run: bool = False) -> Amount:
        self._pass()
        return self.backend.discard(image, before_version, dry_run=dry_run)

    def sweep(self) -> SweepReport:
        self._pass()
        return self.backend.sweep()

    def usage(self) -> Usage:
        self._pass()
        return self.backend.usage()

    def _pass(self) -> None:
        if self.is_failing:
            raise CacheUnavailableError("it is not there")


class Node:
    """A cache with a disk of its own, and tiers below it."""

    def __init__(self, folder: Path, *below: DerivativeBackend, memory_bytes: int = 0, waiting: int = 100) -> None:
        self.disk = DiskBackend(folder)
        self.disk.sweep()
        self.below = [Watched(backend) for backend in below]
        self.tiers = [
            FarTier(f"tier{number}", backend, CacheStats(), waiting=waiting, entry_bytes=2**20)
            for number, backend in enumerate(self.below)
        ]
        self.announced: list[tuple[str, str]] = []
        self.cache = DerivativeCache(
            self.disk,
            far=FarTiers(self.tiers),
            memory_bytes=memory_bytes,
            announce=lambda image, before: self.announced.append((image, before)),
        )

    def is_kept(self, key: DerivativeKey) -> list[bool]:
        """In the disk and in each tier below."""
        self.cache.wait_for_writes()
        return [
            entry is not None and b"".join(entry.chunks) == body_of(key)
            for entry in (backend.find(key) for backend in (self.disk, *(each.backend for each in self.below)))
        ]


@pytest.fixture
def shared(tmp_path: Path) -> list[ObjectBackend]:
    return [ObjectBackend(url=(tmp_path / name).as_uri(), grace=0, sweep_seconds=0) for name in ("near", "far")]


@pytest.fixture
def node(tmp_path: Path, shared: list[ObjectBackend]) -> Iterator[Node]:
    node = Node(tmp_path / "disk", *shared)
    yield node
    node.cache.wait_for_sweep()


def fail_to_produce() -> Production:
    raise AssertionError("it is there already")


def test_what_is_made_goes_to_every_tier(node: Node) -> None:
    store(node.cache, key_of(1))
    node.cache.keep(key_of(2), "image/jpeg", body_of(key_of(2)))
    assert node.is_kept(key_of(1)) == [True] * 3
    assert node.is_kept(key_of(2)) == [True] * 3


def test_what_is_found_below_is_written_above(tmp_path: Path, node: Node, shared: list[ObjectBackend]) -> None:
    store(node.cache, key_of(1))
    assert node.is_kept(key_of(1)) == [True] * 3
    shared[0].discard()
    other = Node(tmp_path / "other", *shared)
    derivative = other.cache.get_or_create(key_of(1), fail_to_produce)
    assert (derivative.outcome, b"".join(derivative.chunks)) == ("hit", body_of(key_of(1)))
    assert other.is_kept(key_of(1)) == [True] * 3
    # It is not written back to where it came from.
    assert [each.writes for each in other.below] == [1, 0]


def test_memory_and_disk_answer_without_asking_below(tmp_path: Path, shared: list[ObjectBackend]) -> None:
    node = Node(tmp_path / "disk", *shared, memory_bytes=10**6)
    store(node.cache, key_of(1))
    node.cache.wait_for_writes()
    before = [each.finds for each in node.below]
    for _ in range(5):
        assert store(node.cache, key_of(1)) == body_of(key_of(1))
        assert node.cache.find(key_of(2)) is None
    assert [each.finds for each in node.below] == before == [1, 1]


def test_an_answer_does_not_wait_for_a_slow_tier(node: Node) -> None:
    node.below[0].open.clear()
    for number in range(20):
        store(node.cache, key_of(number))
    assert node.below[0].writes <= 1
    assert wait_until(lambda: node.below[1].writes == 20)
    node.below[0].open.set()
    assert node.is_kept(key_of(19)) == [True] * 3


def test_what_does_not_fit_into_the_queue_is_left_out_and_counted(tmp_path: Path, shared: list[ObjectBackend]) -> None:
    node = Node(tmp_path / "disk", shared[0], waiting=3)
    node.below[0].open.clear()
    for number in range(10):
        store(node.cache, key_of(number))
    node.below[0].open.set()
    assert wait_until(lambda: node.tiers[0].wait(5))
    counts = node.tiers[0].stats.snapshot()
    assert counts["bypassed"] >= 6
    assert counts["stored"] + counts["bypassed"] == 10


def test_a_tier_that_fails_is_left_alone(node: Node) -> None:
    node.below[0].is_failing = True
    for number in range(20):
        assert store(node.cache, key_of(number)) == body_of(key_of(number))
        node.cache.wait_for_writes()
    assert node.below[0].finds + node.below[0].writes <= 4
    assert node.is_kept(key_of(19)) == [True, False, True]


def test_damage_below_is_a_miss_and_mended(tmp_path: Path, node: Node, shared: list[ObjectBackend]) -> None:
    store(node.cache, key_of(1))
    node.cache.wait_for_writes()
    for name in ("near", "far"):
        (file,) = files_below(tmp_path / name)
        file.write_bytes(file.read_bytes()[:-1] + b"X")
    other = Node(tmp_path / "other", *shared)
    assert store(other.cache, key_of(1)) == body_of(key_of(1))
    assert other.is_kept(key_of(1)) == [True] * 3
    assert [tier.stats.snapshot()["corrupt"] for tier in other.tiers] == [1, 1]


def test_a_purge_reaches_every_tier_and_is_announced(node: Node) -> None:
    for image in (1, 2):
        store(node.cache, key_of(1, image=image))
    assert node.cache.discard_image(image_name(1), dry_run=True).entries == 3
    assert node.announced == []
    node.cache.discard_image(image_name(1))
    assert node.is_kept(key_of(1, image=1)) == [False] * 3
    assert node.is_kept(key_of(1, image=2)) == [True] * 3
    node.cache.discard_image(image_name(2), before_version=2)
    assert node.is_kept(key_of(1, image=2)) == [False] * 3
    assert node.announced == [(image_name(1), ""), (image_name(2), "2")]


def test_what_another_node_discards_goes_from_this_disk_too(node: Node) -> None:
    for version in (1, 2):
        store(node.cache, key_of(1, image=1, version=version))
    store(node.cache, key_of(1, image=2))
    node.cache.wait_for_writes()
    node.cache.follow(image_name(1), 2)
    assert node.cache.wait_for_followed()
    assert node.is_kept(key_of(1, image=1)) == [False, True, True], "what nodes share is emptied by who announces it"
    assert node.is_kept(key_of(1, image=1, version=2)) == [True] * 3
    assert node.is_kept(key_of(1, image=2)) == [True] * 3
    assert node.announced == []


def test_a_purge_that_a_tier_refuses_says_so_and_does_the_rest(node: Node) -> None:
    store(node.cache, key_of(1))
    node.cache.wait_for_writes()
    node.below[0].is_failing = True
    with pytest.raises(CacheUnavailableError):
        node.cache.discard_all()
    assert node.is_kept(key_of(1)) == [False, True, False]


def test_a_sweep_reaches_every_tier_that_can_be_swept(node: Node) -> None:
    for version in (1, 2):
        store(node.cache, key_of(1, version=version))
    node.cache.wait_for_writes()
    node.below[0].is_failing = True
    node.cache.sweep()
    assert node.is_kept(key_of(1, version=1))[1:] == [True, False]
    assert node.is_kept(key_of(1, version=2)) == [True] * 3


def test_what_changes_while_a_sweep_lists_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = ObjectBackend(url=(tmp_path / "changing").as_uri(), sweep_seconds=0)
    for number in range(3):
        put(backend, key_of(number, image=number))
    entries = backend._entries

    def list_and_change(prefix: str) -> Iterator[EntryInfo]:
        found = list(entries(prefix))
        monkeypatch.setattr(backend, "_entries", entries)
        backend.discard(image_name(1))
        put(backend, key_of(9, image=9))
        put(backend, key_of(8, image=8))
        return iter(found)

    monkeypatch.setattr(backend, "_entries", list_and_change)
    assert backend.sweep().ran
    assert backend.usage().held.entries == 4
    assert backend.discard().entries == 4
    assert backend.usage().held == NOTHING


def test_a_disk_that_is_full_does_not_keep_the_others_from_it(tmp_path: Path, shared: list[ObjectBackend]) -> None:
    node = Node(tmp_path / "disk", shared[0])
    node.cache._keeper._bypass_until = float("inf")
    store(node.cache, key_of(1))
    assert node.is_kept(key_of(1)) == [False, True]


def node_of(folder: Path, redis: Redis) -> DerivativeCache:
    """A node with a disk of its own, and one Redis for tier and locks."""
    disk = DiskBackend(folder)
    disk.sweep()
    tier = RedisBackend(url=redis.url, namespace="tier")
    far = FarTiers([FarTier("redis", tier, CacheStats(), waiting=100, entry_bytes=2**20)])
    locks = NodeLocks(KeyLocks(folder / "locks"), SharedLocks(shared_server(redis)), far.after_writes)
    return DerivativeCache(disk, SingleFlight(locks), far=far, locks=locks)


class Maker:
    """Counts productions, which take a moment."""

    def __init__(self, key: DerivativeKey) -> None:
        self.key = key
        self.lock = threading.Lock()
        self.made = 0

    def __call__(self) -> Production:
        with self.lock:
            self.made += 1
        time.sleep(0.2)
        return production_of(self.key)


@pytest.mark.parametrize(("is_there", "most"), [(True, 1), (False, 2)], ids=["redis", "redis hangs"])
def test_many_ask_two_nodes_for_the_same(tmp_path: Path, redis_server: Redis, is_there: bool, most: int) -> None:
    """One makes it for both; without Redis each makes it once."""
    caches = [node_of(tmp_path / f"node{number}", redis_server) for number in (1, 2)]
    maker = Maker(key_of(1))
    if not is_there:
        redis_server.halt()

    def ask(number: int) -> bytes:
        return b"".join(caches[number % 2].get_or_create(key_of(1), maker).chunks)

    with ThreadPoolExecutor(100) as threads:
        bodies = set(threads.map(ask, range(500)))
    assert bodies == {body_of(key_of(1))}
    assert 1 <= maker.made <= most
    redis_server.go_on()


def test_a_lock_between_nodes_lives_as_long_as_the_work(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    from caching import node_locks

    monkeypatch.setattr(node_locks, "_LIFE_SECONDS", 0.4)
    monkeypatch.setattr(node_locks, "_RENEW_SECONDS", 0.1)
    one, other = SharedLocks(shared_server(redis_server)), SharedLocks(shared_server(redis_server))
    digest = key_of(1).digest
    assert one.acquire(digest, 0)
    assert not other.acquire(digest, 1.2)
    one.release(digest)
    assert other.acquire(digest, 0)
    one.release(digest)  # it is not its own any more
    assert not one.acquire(digest, 0)
    other.release(digest)


def test_the_lock_of_a_node_that_died_ends_by_itself(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    from caching import node_locks

    monkeypatch.setattr(node_locks, "_LIFE_SECONDS", 0.4)
    dead, alive = SharedLocks(shared_server(redis_server)), SharedLocks(shared_server(redis_server))
    assert dead._set(key_of(1).digest, "token")  # and nobody renews it
    assert alive.acquire(key_of(1).digest, 10)
    alive.release(key_of(1).digest)


def test_without_redis_the_host_locks_all_the_same(tmp_path: Path, redis_server: Redis) -> None:
    host = KeyLocks(tmp_path / "locks")
    locks = NodeLocks(host, SharedLocks(shared_server(redis_server)), lambda job: job())
    redis_server.stop()
    assert locks.acquire(key_of(1).digest, 1)
    locks.release(key_of(1).digest)
