"""What hardly anybody asks for twice is kept when somebody does."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from caching.derivatives import DerivativeCache
from caching.second_demand import SecondDemand, SeenFilter
from tests.caching.conftest import body_of, files_below, key_of, production_of, store
from tests.caching.shared import shared_server
from tests.caching.test_breaker import Clock
from tests.support.redis import Redis

MakeCache = Callable[..., DerivativeCache]


def ask(cache: DerivativeCache, number: int, image: int = 0, *, stream: bool = False) -> str:
    key = key_of(number, image)
    derivative = cache.get_or_create(key, lambda: production_of(key), stream=stream, is_foreseen=lambda: False)
    assert b"".join(derivative.chunks) == body_of(key)
    return derivative.outcome


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_demand_is_kept_and_the_third_a_hit(make_cache: MakeCache, stream: bool) -> None:
    cache = make_cache(cache={"demand": SecondDemand(60)})
    assert [ask(cache, 1, stream=stream) for _ in range(3)] == ["miss", "miss", "hit"]
    assert cache.stats.snapshot()["withheld"] == 1


def test_what_is_foreseen_is_kept_at_once(make_cache: MakeCache) -> None:
    cache = make_cache(cache={"demand": SecondDemand(60)})
    store(cache, key_of(1))
    assert cache.is_kept(key_of(1))


def test_the_rule_can_be_switched_off(make_cache: MakeCache) -> None:
    cache = make_cache(cache={"demand": SecondDemand(0)})
    assert [ask(cache, 1) for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_made_quickly_is_kept_by_the_second_demand_though_it_is_foreseen(
    make_cache: MakeCache, stream: bool
) -> None:
    cache = make_cache(cache={"demand": SecondDemand(60)})
    key = key_of(1)

    def ask_quick() -> tuple[str, bool]:
        made = cache.get_or_create(
            key, lambda: replace(production_of(key), is_quick=True), stream=stream, is_foreseen=lambda: True
        )
        assert b"".join(made.chunks) == body_of(key)
        return made.outcome, cache.is_kept(key)

    assert [ask_quick() for _ in range(3)] == [("miss", False), ("miss", True), ("hit", True)]


@pytest.mark.parametrize("stream", [False, True])
def test_many_at_once_make_it_twice_at_most(make_cache: MakeCache, stream: bool) -> None:
    cache = make_cache(cache={"demand": SecondDemand(60)})
    with ThreadPoolExecutor(24) as threads:
        list(threads.map(lambda _: ask(cache, 1, stream=stream), range(24)))
    assert cache.stats.snapshot()["misses"] <= 2


def test_a_flood_of_regions_leaves_nothing_behind(root: Path, make_cache: MakeCache) -> None:
    cache = make_cache(cache={"demand": SecondDemand(3600)}, entry_budget=400)
    hot = [key_of(number, image=number % 10 + 1) for number in range(200)]
    for key in hot:
        store(cache, key)
    choose = random.Random(1)
    before = cache.stats.snapshot()
    asked = 0
    for number in range(3000):
        ask(cache, number, image=99)
        if number % 3 == 0:
            store(cache, choose.choice(hot))
            asked += 1
    hits = cache.stats.snapshot()["hits"] - before["hits"]
    assert hits == asked
    kept = [file for file in files_below(root / "entries") if file.parent.name == key_of(0, image=99).image]
    assert len(kept) <= 30  # one in a hundred is taken for another at most


def test_a_flood_of_everything_twice_is_held_to_the_share_of_an_image(root: Path, make_cache: MakeCache) -> None:
    budget = 600
    cache = make_cache(cache={"demand": SecondDemand(3600)}, entry_budget=budget, grace=0.0, touch=0.0)
    hot = [key_of(number, image=number % 10 + 1) for number in range(250)]
    for key in hot:
        store(cache, key)
    choose = random.Random(2)
    before = cache.stats.snapshot()
    asked = 0
    for number in range(3000):
        for _ in range(2):
            ask(cache, number, image=99)
        store(cache, choose.choice(hot))
        asked += 1
        if number % 100 == 0:
            cache.wait_for_sweep()
            cache.sweep()
            assert len(files_below(root / "entries")) <= budget
    hits = cache.stats.snapshot()["hits"] - before["hits"]
    assert hits >= 0.98 * asked


def test_a_filter_remembers_for_one_window_and_forgets_after_two() -> None:
    clock = Clock()
    seen = SeenFilter(10, clock)
    digests = [key_of(number).digest for number in range(1000)]
    assert sum(seen.note(digest) for digest in digests) == 0
    clock.now = 9.9
    assert all(seen.note(digest) for digest in digests)
    clock.now = 19.5
    assert all(seen.note(digest) for digest in digests)
    clock.now = 45
    assert not any(seen.note(digest) for digest in digests)


def test_a_filter_seldom_takes_one_for_another() -> None:
    seen = SeenFilter(10)
    assert sum(seen.note(key_of(number).digest) for number in range(100_000)) < 500


def test_this_process_alone_is_asked_without_a_round_trip(redis_server: Redis) -> None:
    one, other = (SecondDemand(60, shared_server(redis_server)) for _ in range(2))
    assert not one.is_second_here(key_of(1))
    assert one.is_second_here(key_of(1))
    assert not other.is_second(key_of(1))


def test_nodes_count_together(redis_server: Redis) -> None:
    one, other = (SecondDemand(60, shared_server(redis_server)) for _ in range(2))
    assert not one.is_second(key_of(1))
    assert other.is_second(key_of(1))
    redis_server.stop()
    assert not other.is_second(key_of(2))
    assert other.is_second(key_of(2))
