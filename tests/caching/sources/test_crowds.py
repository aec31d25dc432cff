"""Who may wait for a store: a share where nothing comes, no bound where something does, and rest after time-outs."""

import threading
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

from caching.sources.crowds import LEAST_PATIENCE_SECONDS, PATIENCE_SECONDS, Crowds, StoreStalledError

REST = 5.0
MOST = 4
TOTAL = 10


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
    return Crowds(MOST, TOTAL, 3, REST, clock)


def time_out(crowds: Crowds, clock: Clock, source: str) -> None:
    with crowds.waiting("store", source):
        clock.now += PATIENCE_SECONDS
        crowds.note_silence("store", source, PATIENCE_SECONDS)


def is_refused(crowds: Crowds, store: str, source: str) -> bool:
    try:
        with crowds.waiting(store, source):
            return False
    except StoreStalledError:
        return True


def fill(crowds: Crowds, held: ExitStack, store: str, sources: Iterable[str]) -> int:
    """Take places until there is none; how many there were."""
    for count, source in enumerate(sources):
        if is_refused(crowds, store, source):
            return count
        held.enter_context(crowds.waiting(store, source))
    raise AssertionError("there is no end of places")


def begin(crowds: Crowds, held: ExitStack, store: str, clock: Clock) -> None:
    """One waits for a store for so long that it hangs."""
    held.enter_context(crowds.waiting(store, "first"))
    clock.now += PATIENCE_SECONDS


def open_breaker(crowds: Crowds, clock: Clock) -> None:
    for source in "abc":
        time_out(crowds, clock, source)
    assert is_refused(crowds, "store", "d")


def test_no_more_than_the_share_wait_for_a_store_and_half_of_them_for_a_source(crowds: Crowds, clock: Clock) -> None:
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
        assert is_refused(crowds, "store", "a")
        with crowds.waiting("store", "b"):
            assert crowds.count("store") == 3


def test_stores_that_hang_leave_places_for_all_others(crowds: Crowds, clock: Clock) -> None:
    with ExitStack() as held:
        taken = []
        for store in ("one", "two", "three"):
            begin(crowds, held, store, clock)
            taken.append(1 + fill(crowds, held, store, map(str, range(TOTAL))))
        assert taken == [4, 3, 2]
        assert sum(taken) < TOTAL
        with crowds.waiting("healthy", "a"):
            clock.now += 10 * PATIENCE_SECONDS
            crowds.note_delivery("healthy", "a", 0.01)
        assert not is_refused(crowds, "healthy", "a")


def test_a_store_has_one_place_however_many_others_hang(crowds: Crowds, clock: Clock) -> None:
    with ExitStack() as held:
        for number in range(2 * TOTAL):
            begin(crowds, held, f"hangs-{number}", clock)
        with crowds.waiting("healthy", "a"):
            clock.now += 10 * PATIENCE_SECONDS
            assert crowds.count("healthy") == 1


def follows(crowds: Crowds, store: str, source: str) -> bool:
    """Whether one more may wait with others; unlike `waiting`, this never blocks."""
    try:
        with crowds.along(store, source) as check:
            check()
            return True
    except StoreStalledError:
        return False


@pytest.mark.parametrize(
    ("read_seconds", "patience"),
    [(None, PATIENCE_SECONDS), (0.005, LEAST_PATIENCE_SECONDS), (0.2, 1.6), (1.0, PATIENCE_SECONDS), (3.0, 6.0)],
)
def test_the_pace_of_a_store_tells_how_soon_it_hangs(
    crowds: Crowds, clock: Clock, read_seconds: float | None, patience: float
) -> None:
    if read_seconds is not None:
        crowds.note_delivery("store", "a", read_seconds)
    with crowds.waiting("store", "a"), crowds.waiting("store", "a"):
        clock.now += patience - 0.01
        assert follows(crowds, "store", "a")
        clock.now += 0.02
        assert not follows(crowds, "store", "a")
        crowds.note_delivery("store", "a", 0.01)
        assert follows(crowds, "store", "a")


def test_a_store_that_is_merely_slow_goes_on_being_served(crowds: Crowds, clock: Clock) -> None:
    """However many wait, while a read ends now and then."""
    with ExitStack() as held:
        for source in "aabb":
            held.enter_context(crowds.waiting("store", source))
        checks = [held.enter_context(crowds.along("store", "a")) for _ in range(TOTAL - MOST)]
        for _ in range(20):
            clock.now += 3.0
            crowds.note_delivery("store", "a", 3.0)
            clock.now += 3.0
            for check in checks:
                check()


def test_while_more_wait_than_may_only_stores_above_their_shares_are_hurried(crowds: Crowds, clock: Clock) -> None:
    with ExitStack() as held:
        for source in "aabb":
            held.enter_context(crowds.waiting("hangs", source))
        checks = [held.enter_context(crowds.along("hangs", "a")) for _ in range(TOTAL)]
        held.enter_context(crowds.waiting("healthy", "a"))
        healthy = held.enter_context(crowds.along("healthy", "b"))
        clock.now += LEAST_PATIENCE_SECONDS
        for check in checks:
            with pytest.raises(StoreStalledError):
                check()
        healthy()


def test_who_waits_along_with_others_is_counted_and_sent_away_like_them(crowds: Crowds, clock: Clock) -> None:
    with crowds.waiting("store", "a"), crowds.along("store", "a") as check:
        assert crowds.count("store") == 2
        clock.now += 10 * PATIENCE_SECONDS
        check()
        with crowds.along("store", "b"), crowds.along("store", "c"):
            check()
            assert is_refused(crowds, "store", "d")
    assert crowds.count("store") == 0


def test_who_waits_along_with_others_is_sent_away_where_the_store_is_left_alone(crowds: Crowds, clock: Clock) -> None:
    with crowds.waiting("store", "z"), crowds.along("store", "z") as check:
        check()
        open_breaker(crowds, clock)
        with pytest.raises(StoreStalledError):
            check()


def test_who_comes_to_a_full_store_that_delivers_waits_for_a_place(crowds: Crowds, clock: Clock) -> None:
    entered = threading.Event()

    def come() -> None:
        with crowds.waiting("store", "c"):
            entered.set()

    with ExitStack() as stack:
        for source in "aabb":
            stack.enter_context(crowds.waiting("store", source))
        clock.now += PATIENCE_SECONDS
        crowds.note_delivery("store", "a", 0.1)
        thread = threading.Thread(target=come)
        thread.start()
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()


def test_a_long_read_is_given_its_time_once(crowds: Crowds, clock: Clock) -> None:
    with crowds.waiting("store", "a"), crowds.waiting("store", "a"):
        for seconds in (6.0, 5.9):  # 10 s for so many bytes, and the usual patience
            crowds.note_request("store", "a", 40 * 2**20)
            clock.now += seconds
        assert follows(crowds, "store", "a")
        clock.now += 0.2
        assert not follows(crowds, "store", "a")


def test_after_time_outs_of_different_sources_in_a_row_one_tries_after_a_rest(crowds: Crowds, clock: Clock) -> None:
    for source in "aaaaab":
        time_out(crowds, clock, source)
    crowds.note_delivery("store", "d", 0.1)
    open_breaker(crowds, clock)
    clock.now += REST
    with crowds.waiting("store", "d"):
        assert is_refused(crowds, "store", "e")
        crowds.note_delivery("store", "d", 0.1)
    with crowds.waiting("store", "a"), crowds.waiting("store", "e"):
        assert crowds.count("store") == 2


def test_a_try_that_times_out_lets_the_store_rest_again(crowds: Crowds, clock: Clock) -> None:
    open_breaker(crowds, clock)
    clock.now += REST
    time_out(crowds, clock, "a")
    assert is_refused(crowds, "store", "b")
    clock.now += REST
    assert not is_refused(crowds, "store", "b")


def test_a_try_that_is_answered_without_bytes_ends_the_rest(crowds: Crowds, clock: Clock) -> None:
    open_breaker(crowds, clock)
    clock.now += REST
    with crowds.waiting("store", "gone"):
        crowds.note_answer("store", "gone")
    with crowds.waiting("store", "a"), crowds.waiting("store", "b"):
        assert crowds.count("store") == 2


def test_a_try_that_finds_out_nothing_is_handed_on_at_once(crowds: Crowds, clock: Clock) -> None:
    """Its client has gone away, say."""
    open_breaker(crowds, clock)
    clock.now += REST
    with pytest.raises(GeneratorExit), crowds.waiting("store", "a"):
        raise GeneratorExit
    with crowds.waiting("store", "b"):
        assert is_refused(crowds, "store", "c")
