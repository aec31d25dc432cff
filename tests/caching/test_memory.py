"""What is kept in memory beside the backend: only what was read, within its budget, and not for long."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from caching.derivatives import DerivativeCache
from caching.memory import AGE_SECONDS, ENTRY_BYTES, Memory
from caching.second_demand import SecondDemand
from tests.caching.conftest import body_of, files_below, image_name, key_of, production_of, store

Make = Callable[..., DerivativeCache]
KEY = key_of(1)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remembering(make_cache: Make, clock: Clock) -> DerivativeCache:
    return make_cache(cache={"memory_bytes": 1_000_000, "clock": clock})


def found(cache: DerivativeCache, number: int = 1) -> bytes | None:
    derivative = cache.find(key_of(number))
    return None if derivative is None else b"".join(derivative.chunks)


def remove_files(root: Path) -> None:
    for path in files_below(root / "entries"):
        path.unlink()


def test_the_second_read_takes_no_file(remembering: DerivativeCache, root: Path) -> None:
    body = store(remembering, KEY)
    assert found(remembering) == body
    remove_files(root)
    assert found(remembering) == body
    counts = remembering.stats.snapshot()
    assert (counts["hits"], counts["memory_hits"], counts["hit_bytes"]) == (2, 1, 2 * len(body))


def test_what_was_made_and_never_asked_for_again_takes_no_room(remembering: DerivativeCache, root: Path) -> None:
    store(remembering, KEY)
    remove_files(root)
    assert found(remembering) is None


def test_what_another_process_purged_is_forgotten_in_time(
    remembering: DerivativeCache, make_cache: Make, clock: Clock
) -> None:
    body = store(remembering, KEY)
    found(remembering)
    make_cache().discard_all()
    clock.now += AGE_SECONDS
    assert found(remembering) == body
    clock.now += 0.1
    assert found(remembering) is None


def test_a_damaged_entry_is_never_remembered(remembering: DerivativeCache, root: Path) -> None:
    store(remembering, KEY)
    (path,) = files_below(root / "entries")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert found(remembering) is None
    assert found(remembering) is None
    assert remembering.stats.snapshot()["corrupt"] == 1


@pytest.mark.parametrize(
    ("discard", "kept"),
    [
        (lambda cache: cache.discard_all(), []),
        (lambda cache: cache.discard_image(image_name(1)), [0]),
        (lambda cache: cache.discard_image(image_name(0), before_version=2), [1]),
        (lambda cache: cache.discard_image(image_name(0), before_version=1), [0, 1]),
        (lambda cache: cache.discard_all(dry_run=True), [0, 1]),
    ],
)
def test_a_purge_here_is_forgotten_at_once(
    remembering: DerivativeCache, root: Path, discard: Callable[[DerivativeCache], object], kept: list[int]
) -> None:
    for image in (0, 1):
        store(remembering, key_of(1, image))
        assert remembering.find(key_of(1, image)) is not None
    discard(remembering)
    remove_files(root)
    assert [image for image in (0, 1) if remembering.find(key_of(1, image)) is not None] == kept


def test_the_budget_holds_and_the_least_used_goes_first(clock: Clock) -> None:
    memory = Memory(20_000, clock)
    for number in range(3):
        memory.put(key_of(number), "image/jpeg", body_of(key_of(number)))
    memory.find(key_of(0))
    memory.put(key_of(3), "image/jpeg", body_of(key_of(3)))
    assert [number for number in range(4) if memory.find(key_of(number)) is not None] == [0, 2, 3]
    assert memory.byte_size <= 20_000
    memory.put(key_of(3), "image/jpeg", b"")
    memory.discard()
    assert memory.byte_size == 0


@pytest.mark.parametrize(("budget", "byte_size"), [(10**9, ENTRY_BYTES + 1), (0, 1), (5_000, 5_000)])
def test_what_is_large_is_left_to_the_backend(make_cache: Make, root: Path, budget: int, byte_size: int) -> None:
    cache = make_cache(cache={"memory_bytes": budget})
    cache.get_or_create(KEY, lambda: production_of(KEY, byte_size))
    assert found(cache) == body_of(KEY, byte_size)
    remove_files(root)
    assert found(cache) is None


def test_what_is_only_remembered_is_in_memory_alone(make_cache: Make, clock: Clock, root: Path) -> None:
    demand = SecondDemand(3600, clock=clock)
    remembering = make_cache(cache={"memory_bytes": 1_000_000, "clock": clock, "demand": demand})
    body = body_of(KEY)
    assert remembering.has_memory
    assert not remembering.remembers(KEY)
    assert remembering.remember(KEY, "image/jpeg", body)
    assert remembering.remembers(KEY)
    assert found(remembering) == body
    assert not files_below(root / "entries")
    clock.now += AGE_SECONDS + 1
    assert found(remembering) is None
    assert not remembering.remembers(KEY)
    assert remembering.remember(KEY, "image/jpeg", body)  # made again
    assert remembering.is_kept(KEY)
    assert remembering.remembers(KEY)
    other = key_of(2)
    assert remembering.remember(other, "image/jpeg", body_of(other))
    remembering.discard_image(other.image)
    assert not remembering.remembers(other)


def test_all_is_kept_at_once_where_no_second_demand_is_waited_for(remembering: DerivativeCache) -> None:
    assert remembering.remember(KEY, "image/jpeg", body_of(KEY))
    assert remembering.is_kept(KEY)


def test_what_was_remembered_is_kept_when_it_has_to_be_made_again(make_cache: Make, clock: Clock) -> None:
    demand = SecondDemand(3600, clock=clock)
    cache = make_cache(cache={"memory_bytes": 1_000_000, "clock": clock, "demand": demand})
    quick = replace(production_of(KEY), is_quick=True)
    cache.remember(KEY, "image/jpeg", body_of(KEY))
    clock.now += AGE_SECONDS + 1
    cache.get_or_create(KEY, lambda: quick).close()
    assert cache.is_kept(KEY)


@pytest.mark.parametrize("budget", [0, 20_000])
def test_without_room_in_memory_nothing_is_only_remembered(make_cache: Make, budget: int) -> None:
    cache = make_cache(cache={"memory_bytes": budget, "demand": SecondDemand(3600)})
    assert not cache.has_memory
    assert not cache.remember(KEY, "image/jpeg", bytes(30_000))
    assert not cache.remember(key_of(2), "image/jpeg", b"")
    assert not cache.remembers(KEY)
