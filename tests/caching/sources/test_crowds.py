"""Who may wait for a store: a bound where nothing comes, none where something does, and rest after time-outs."""

import threading
from contextlib import ExitStack

import pytest

from caching.sources.crowds import PATIENCE_SECONDS, Crowds, StoreStalledError

REST = 5.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crowds(clock: Clock) -> Crowds:
    return Crowds(4, 3, REST, clock)


def time_out(crowds: Crowds, clock: Clock, source: str) -> None:
    def hang() -> None:
        clock.now += PATIENCE_SECONDS
        raise OSError("hung")

    with pytest.raises(OSError, match="hung"), crowds.waiting("store", source):
        hang()


def test_no_more_than_the_bound_wait_for_a_store_and_half_of_them_for_a_source(crowds: Crowds, clock: Clock) -> None:
    with ExitStack() as stack:
        for source in "aabb":
            stack.enter_context(crowds.waiting("store", source))
        clock.now += PATIENCE_SECONDS
        for source in "ac":
            with pytest.raises(StoreStalledError) as refusal, crowds.waiting("store", source):
                pass
            assert refusal.value.retry_after == round(REST)
        with crowds.waiting("another", "a"):
            assert (crowds.count("store"), crowds.count("another")) == (4, 1)
    assert crowds.count("store") == 0


def test_one_source_that_hangs_leaves_places_for_the_others_of_its_store(crowds: Crowds, clock: Clock) -> None:
    with crowds.waiting("store", "a"), crowds.waiting("store", "a"):
        clock.now += PATIENCE_SECONDS
        with pytest.raises(StoreStalledError), crowds.waiting("store", "a"):
            pass
        with crowds.waiting("store", "b"):
            assert crowds.count("store") == 3


def test_who_comes_to_a_full_store_that_delivers_waits_for_a_place(crowds: Crowds, clock: Clock) -> None:
    entered = threading.Event()

    def come() -> None:
        with crowds.waiting("store", "c"):
            entered.set()

    with ExitStack() as stack:
        for source in "aabb":
            stack.enter_context(crowds.waiting("store", source))
        clock.now += PATIENCE_SECONDS
        crowds.note_delivery("store", "a")
        thread = threading.Thread(target=come)
        thread.start()
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()


def test_after_time_outs_of_different_sources_in_a_row_one_tries_after_a_rest(crowds: Crowds, clock: Clock) -> None:
    for source in "aaaaab":
        time_out(crowds, clock, source)
    crowds.note_delivery("store", "d")
    for source in "abc":
        time_out(crowds, clock, source)
    with pytest.raises(StoreStalledError), crowds.waiting("store", "d"):
        pass
    clock.now += REST
    with crowds.waiting("store", "d"):
        with pytest.raises(StoreStalledError), crowds.waiting("store", "e"):
            pass
        crowds.note_delivery("store", "d")
    with crowds.waiting("store", "a"), crowds.waiting("store", "e"):
        assert crowds.count("store") == 2
