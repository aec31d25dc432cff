"""The workshop: who makes a tile, who waits, what is kept, and what happens when something goes wrong."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caching.backends.disk import DiskBackend
from caching.derivatives import DerivativeCache
from caching.keys import DerivativeKey
from caching.second_demand import SecondDemand
from images.decoders.errors import DamagedSourceError, OverloadedError
from images.decoders.metatiles import Grid, GridTile, ScreenGrid, Seen, choose
from images.decoders.records import Made
from images.iiif.geometry import Size
from images.services import promises
from images.services.demand import Demand
from images.services.metatiles import Workshop, _cell_digest
from images.services.promises import Order
from images.sources.errors import SourceUnreachableError
from tests.caching.others import OtherProcess

IMAGE = "0" * 32
GRID = Grid(Size(2048, 2048), Size(256, 256), 4)


def key_of(tile: GridTile) -> DerivativeKey:
    return DerivativeKey(IMAGE, 1, f"{tile.step}/{tile.column}/{tile.row}", "jpg")


def body_of(tile: GridTile) -> bytes:
    return f"{tile.step}/{tile.column}/{tile.row}".encode()


class Maker:
    """Makes tiles, counts how, and can be told to fail or to wait."""

    def __init__(self) -> None:
        self.alone: list[GridTile] = []
        self.together: list[tuple[GridTile, ...]] = []
        self.fails_after: int | None = None
        self.error: Exception = DamagedSourceError("a block is damaged")
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.ended = threading.Event()
        self.enough = threading.Event()
        self.is_by_areas = True
        self.when_full: Callable[[], None] = lambda: None
        """What is done before a decoder is free."""

    def order(self, tile: GridTile) -> Order:
        return Order(IMAGE, GRID, tile, "image/jpeg", key_of, lambda: self._make_alone(tile), self._make)

    def _make_alone(self, tile: GridTile) -> bytes:
        self.when_full()
        self.alone.append(tile)
        return body_of(tile)

    @contextmanager
    def _make(self, tiles: Sequence[GridTile]) -> Iterator[Made]:
        self.when_full()
        self.together.append(tuple(tiles))
        try:
            yield Made(self._tiles(tiles), self.enough.set if self.is_by_areas else None)
        finally:
            self.ended.set()

    def _tiles(self, tiles: Sequence[GridTile]) -> Iterator[tuple[int, bytes]]:
        for number, tile in enumerate(tiles):
            if number == self.fails_after:
                raise self.error
            if number == 1:
                self.goes_on.wait(10)
            yield number, body_of(tile)


@pytest.fixture
def cache(tmp_path: Path) -> DerivativeCache:
    return DerivativeCache(DiskBackend(tmp_path))


@pytest.fixture
def workshop(cache: DerivativeCache) -> Workshop:
    return Workshop(cache, patience_seconds=10)


def look_above(workshop: Workshop, maker: Maker) -> None:
    """Ask for what a viewer asks for before it comes closer to the upper left corner."""
    waits, fails = maker.goes_on.is_set(), maker.fails_after
    maker.goes_on.set()
    maker.fails_after = None
    for tile in (GridTile(2, 0, 1), GridTile(2, 1, 1)):
        workshop.make(maker.order(tile))
    while workshop._promises:
        time.sleep(0.01)
    maker.together.clear()
    maker.ended.clear()
    maker.fails_after = fails
    if not waits:
        maker.goes_on.clear()


def wait_for(cache: DerivativeCache, tile: GridTile) -> bytes:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = cache.find(key_of(tile))
        if found is not None:
            return b"".join(found.chunks)
        time.sleep(0.01)
    raise AssertionError(f"{tile} was never kept")


def test_the_first_tile_is_made_alone_and_the_second_with_all_others(
    cache: DerivativeCache, workshop: Workshop
) -> None:
    maker = Maker()
    first, second = GridTile(1, 5, 5), GridTile(1, 6, 5)
    assert workshop.make(maker.order(first)) == body_of(first)
    cache.keep(key_of(first), "image/jpeg", body_of(first))
    assert maker.alone == [first]
    assert workshop.make(maker.order(second)) == body_of(second)
    assert maker.ended.wait(10)
    (together,) = maker.together
    assert together[0] == second
    assert set(together) == set(GRID.metatile(second)) - {first}
    for tile in together[1:]:
        assert wait_for(cache, tile) == body_of(tile)
    assert workshop.stats() == {"single": 1, "together": 1, "ahead": 14}


def test_far_tiles_are_each_made_alone(workshop: Workshop) -> None:
    maker = Maker()
    for column, row in ((0, 0), (7, 7), (0, 7), (7, 0)):
        workshop.make(maker.order(GridTile(1, column, row)))
    assert len(maker.alone) == 4
    assert not maker.together


def test_whoever_asks_for_a_tile_that_is_being_made_waits_for_it(cache: DerivativeCache, workshop: Workshop) -> None:
    maker = Maker()
    maker.goes_on.clear()
    look_above(workshop, maker)
    asked, other = GridTile(1, 2, 2), GridTile(1, 3, 3)
    assert workshop.make(maker.order(asked)) == body_of(asked)  # before the others are made
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(workshop.make(maker.order(other))))
    waiting.start()
    time.sleep(0.05)
    assert not answers
    maker.goes_on.set()
    waiting.join(10)
    assert answers == [body_of(other)]
    assert len(maker.together) == 1
    assert maker.alone == [GridTile(2, 0, 1)]
    assert maker.ended.wait(10)


def end_of(workshop: Workshop) -> None:
    end = time.monotonic() + 10
    while workshop._promises and time.monotonic() < end:
        time.sleep(0.01)
    assert not workshop._promises


def test_what_nobody_waits_for_makes_room_where_somebody_waits_for_a_decoder(
    cache: DerivativeCache, workshop: Workshop
) -> None:
    maker, elsewhere = Maker(), Maker()
    maker.goes_on.clear()
    look_above(workshop, maker)
    workshop.make(maker.order(GridTile(1, 2, 2)))
    (begun,) = maker.together
    workshop.make(elsewhere.order(GridTile(1, 7, 7)))
    assert not maker.enough.is_set(), "there is room"
    elsewhere.when_full = workshop.make_room
    workshop.make(elsewhere.order(GridTile(1, 7, 0)))
    assert maker.enough.is_set()
    again = GridTile(1, 3, 3)
    assert workshop.make(elsewhere.order(again)) == body_of(again)
    assert again in elsewhere.alone or any(again in made for made in elsewhere.together), (
        "who was told that it is enough is waited for"
    )
    maker.goes_on.set()
    assert maker.ended.wait(10)
    assert wait_for(cache, begun[-1]) == body_of(begun[-1]), "it had been begun"
    end_of(workshop)


def test_a_viewer_is_left_time_for_its_next_request(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "_GRACE_SECONDS", 1000.0)
    maker, elsewhere = Maker(), Maker()
    elsewhere.when_full = workshop.make_room
    maker.goes_on.clear()
    look_above(workshop, maker)
    workshop.make(maker.order(GridTile(1, 2, 2)))
    wait_until_registered(workshop)
    (run,) = workshop._runs
    workshop.make(replace(elsewhere.order(GridTile(1, 7, 7)), subject="1" * 32))
    workshop.make_room()  # for something that is no tile
    workshop.make(elsewhere.order(GridTile(1, 4, 4)))  # on the same screen
    assert not maker.enough.is_set()
    began = run.wanted_at = run.wanted_at - 2000
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(workshop.make, maker.order(GridTile(1, 3, 3)))
        end = time.monotonic() + 10
        while not run.is_waited_for and time.monotonic() < end:
            time.sleep(0.001)
        maker.goes_on.set()
        assert answer.result(10) == body_of(GridTile(1, 3, 3))
    end_of(workshop)
    assert run.wanted_at > began + 1000, "who got a tile for which he waited is followed anew"


def test_what_no_viewer_follows_any_more_is_given_up_for_any_job(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "_GRACE_SECONDS", 0.0)
    maker = Maker()
    maker.goes_on.clear()
    look_above(workshop, maker)
    workshop.make(maker.order(GridTile(1, 2, 2)))
    wait_until_registered(workshop)
    workshop.make_room()
    assert maker.enough.is_set()
    maker.goes_on.set()
    end_of(workshop)


def wait_until_registered(workshop: Workshop) -> None:
    end = time.monotonic() + 10
    while not workshop._runs and time.monotonic() < end:
        time.sleep(0.001)
    assert workshop._runs


def test_what_is_decoded_at_once_is_not_given_up(workshop: Workshop) -> None:
    """Its tiles are there in a moment, and would be decoded once more."""
    maker, elsewhere = Maker(), Maker()
    elsewhere.when_full = workshop.make_room
    maker.is_by_areas = False
    maker.goes_on.clear()
    look_above(workshop, maker)
    workshop.make(maker.order(GridTile(1, 2, 2)))
    workshop.make(elsewhere.order(GridTile(1, 7, 7)))
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(workshop.make, elsewhere.order(GridTile(1, 3, 3)))
        maker.goes_on.set()
        assert answer.result(10) == body_of(GridTile(1, 3, 3))
    assert not any(GridTile(1, 3, 3) in made for made in [elsewhere.alone, *elsewhere.together])
    end_of(workshop)


def test_a_run_goes_on_while_one_of_its_tiles_is_waited_for(workshop: Workshop) -> None:
    maker, elsewhere = Maker(), Maker()
    elsewhere.when_full = workshop.make_room
    maker.goes_on.clear()
    look_above(workshop, maker)
    maker.enough.clear()
    workshop.make(maker.order(GridTile(1, 2, 2)))
    waited_for = GridTile(1, 3, 3)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(workshop.make, maker.order(waited_for))
        end = time.monotonic() + 10
        while not workshop._promises[key_of(waited_for).digest].is_wanted and time.monotonic() < end:
            time.sleep(0.001)
        workshop.make(elsewhere.order(GridTile(1, 7, 7)))
        assert not maker.enough.is_set()
        maker.goes_on.set()
        assert answer.result(10) == body_of(waited_for)
    assert maker.alone == [GridTile(2, 0, 1)]
    end_of(workshop)


@pytest.mark.parametrize("after", [0, 1, 5])
def test_what_fails_together_is_made_alone(cache: DerivativeCache, workshop: Workshop, after: int) -> None:
    maker = Maker()
    maker.fails_after = after
    look_above(workshop, maker)
    asked = GridTile(1, 2, 2)
    assert workshop.make(maker.order(asked)) == body_of(asked)
    assert maker.ended.wait(10)
    missing = maker.together[0][-1]
    end = time.monotonic() + 10
    while workshop._promises and time.monotonic() < end:
        time.sleep(0.01)
    maker.fails_after = 0
    assert workshop.make(maker.order(missing)) == body_of(missing)
    assert missing in maker.alone


def test_without_a_thread_the_tile_that_was_asked_for_is_all_there_is(workshop: Workshop, monkeypatch: Any) -> None:
    maker = Maker()
    look_above(workshop, maker)

    def fails(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fails)
    asked, other = GridTile(1, 2, 2), GridTile(1, 3, 3)
    assert workshop.make(maker.order(asked)) == body_of(asked)
    assert maker.ended.is_set()
    assert not workshop._promises
    assert workshop.make(maker.order(other)) == body_of(other)


def test_an_overload_is_told(workshop: Workshop) -> None:
    maker = Maker()
    maker.fails_after, maker.error = 0, OverloadedError("full")
    look_above(workshop, maker)
    with pytest.raises(OverloadedError):
        workshop.make(maker.order(GridTile(1, 2, 2)))
    assert not workshop._promises


def test_demand_forgets_after_a_while() -> None:
    now = [0.0]
    demand = Demand(lambda: now[0])
    first, second = GridTile(1, 0, 0), GridTile(1, 1, 0)
    assert demand.note(IMAGE, GRID, first).recent == ()
    now[0] = 5
    assert demand.note(IMAGE, GRID, second).recent == (first,)
    now[0] = 12
    assert demand.note(IMAGE, GRID, first).recent == (second,)
    assert demand.note("1" * 32, GRID, first).recent == ()


def test_a_screen_begins_with_its_middle() -> None:
    now = [0.0]
    demand = Demand(lambda: now[0])
    first, near, far = GridTile(1, 0, 0), GridTile(1, 2, 2), GridTile(1, 7, 7)
    assert demand.note(IMAGE, GRID, first).screen == GRID.screen([first])
    now[0] = 0.5
    assert demand.note(IMAGE, GRID, near).screen == GRID.screen([first])
    assert demand.note(IMAGE, GRID, GridTile(2, 1, 1)).screen == GRID.screen([GridTile(2, 1, 1)])
    assert demand.note(IMAGE, GRID, near).screen == GRID.screen([first])
    assert demand.note(IMAGE, GRID, far).screen == GRID.screen([far])  # beyond the screen: it shows something else now
    now[0] = 5
    assert demand.note(IMAGE, GRID, near).screen == GRID.screen([near])


def test_the_middle_of_a_screen_is_that_of_the_tiles_that_come_at_once() -> None:
    """The first that comes is any of them."""
    now = [0.0]
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    demand = Demand(lambda: now[0], sleep)
    burst = [GridTile(1, column, row) for column, row in ((13, 15), (14, 14), (15, 15), (14, 16), (14, 15), (13, 14))]
    for tile in burst:
        seen = demand.note(IMAGE, SCREEN, tile)
        now[0] += 0.002
    expected = SCREEN.screen(burst)
    assert (expected.columns, expected.rows) == (range(10, 19), range(12, 19))
    asked = burst[0]
    settled = demand.settled(IMAGE, asked, seen)
    assert settled.screen == expected
    assert settled.recent == seen.recent
    assert sum(naps) == pytest.approx(0.003), "nothing came any more"
    assert demand.settled(IMAGE, asked, seen).screen == expected
    assert len(naps) == 1
    demand.note(IMAGE, SCREEN, GridTile(1, 16, 15))
    assert demand.settled(IMAGE, asked, seen).screen == expected, "what comes later does not move it"


def test_a_screen_that_has_settled_does_not_move() -> None:
    now = [0.0]
    demand = Demand(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    first, late = GridTile(1, 5, 5), GridTile(1, 8, 8)
    settled = demand.settled(IMAGE, first, demand.note(IMAGE, SCREEN, first))
    now[0] = 0.008
    assert demand.note(IMAGE, SCREEN, late).screen == settled.screen == SCREEN.screen([first])


def test_each_viewer_of_an_image_has_a_screen_of_its_own() -> None:
    now = [0.0]
    others = iter(range(1000))

    def sleep(_seconds: float) -> None:
        now[0] += 0.004
        place = next(others)
        demand.note(IMAGE, SCREEN, GridTile(1, 20 + place % 2, 20 if place % 3 else 30))

    demand = Demand(lambda: now[0], sleep)
    mine = GridTile(1, 5, 5)
    settled = demand.settled(IMAGE, mine, demand.note(IMAGE, SCREEN, mine))
    assert settled.screen == SCREEN.screen([mine])
    assert now[0] <= 0.016
    assert choose(SCREEN, mine, replace(settled, recent=(GridTile(1, 5, 4), GridTile(1, 6, 4))))[1:]


def test_who_has_moved_on_is_told_from_two_who_look_at_one_image() -> None:
    now = [0.0]
    demand = Demand(lambda: now[0])
    old, new = GridTile(1, 5, 5), GridTile(1, 20, 20)
    assert not demand.has_moved_on(IMAGE, old, new)
    for tile in (old, new):
        demand.note(IMAGE, SCREEN, tile)
        now[0] += 0.1
    assert demand.has_moved_on(IMAGE, old, new)
    assert not demand.has_moved_on(IMAGE, new, old)
    assert not demand.has_moved_on(IMAGE, new, new)
    demand.note(IMAGE, SCREEN, GridTile(1, 6, 5))
    assert not demand.has_moved_on(IMAGE, old, new), "somebody else is still there"


def test_nobody_waits_long_for_tiles_of_a_screen_that_keep_coming() -> None:
    now = [0.0]
    demand = Demand(lambda: now[0], lambda _seconds: more())
    columns = iter(range(2, 2000))

    def more() -> None:
        now[0] += 0.004
        demand.note(IMAGE, SCREEN, GridTile(1, next(columns) % 5, 0))

    asked = GridTile(1, 1, 0)
    demand.settled(IMAGE, asked, demand.note(IMAGE, SCREEN, asked))
    assert now[0] == pytest.approx(0.016)
    seen = Seen((), SCREEN.screen([asked]))
    assert Demand().settled(IMAGE, asked, seen) == seen, "nobody knows of it any more"


def test_of_a_screen_that_is_halved_the_first_tiles_are_waited_for(cache: DerivativeCache) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        """Meanwhile others of the screen are asked for."""
        naps.append(seconds)
        now[0] += seconds
        for column in () if len(naps) > 1 else (7, 8):
            demand.note(IMAGE, SCREEN, GridTile(1, column, 5))

    now = [0.0]
    demand = Demand(lambda: now[0], sleep)
    workshop, maker = Workshop(cache, patience_seconds=10, demand=demand), Maker()
    workshop.make(replace(maker.order(GridTile(1, 19, 14)), grid=SCREEN))
    assert not naps, "nobody looks at what lies around"
    demand.add(IMAGE, [GridTile(1, 5, 4), GridTile(1, 6, 4), GridTile(1, 7, 4)])
    asked = GridTile(1, 6, 5)
    assert workshop.make(replace(maker.order(asked), grid=SCREEN)) == body_of(asked)
    end_of(workshop)
    (made,) = maker.together
    assert {tile.column for tile in made} == set(range(3, 12))


def test_nobody_waits_for_first_tiles_where_they_tell_nothing(cache: DerivativeCache) -> None:
    def sleep(_seconds: float) -> None:
        raise AssertionError("waited")

    maker = Maker()
    workshop = Workshop(cache, patience_seconds=10, demand=Demand(sleep=sleep))
    look_above(workshop, maker)  # in squares
    maker.goes_on.clear()
    workshop.make(maker.order(GridTile(1, 2, 2)))
    promised = replace(maker.order(GridTile(1, 3, 3)), grid=ScreenGrid(GRID.full, GRID.tile, GRID.across))
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(workshop.make, promised)
        maker.goes_on.set()
        assert answer.result(10) == body_of(promised.tile)
    assert len(maker.together) == 1
    end_of(workshop)


def test_what_is_made_quickly_stays_in_memory_and_is_not_made_for_who_has_it(tmp_path: Path) -> None:
    cache = DerivativeCache(DiskBackend(tmp_path), memory_bytes=10**6, demand=SecondDemand(3600))
    workshop, maker = Workshop(cache, patience_seconds=10), Maker()
    first, second = GridTile(1, 5, 5), GridTile(1, 6, 5)
    for tile in (first, second):
        assert workshop.make(replace(maker.order(tile), is_quick=True)) == body_of(tile)
    assert maker.ended.wait(10)
    (together,) = maker.together
    assert set(together) == set(GRID.metatile(second)) - {first}  # though it is kept nowhere
    for tile in together[1:]:
        assert wait_for(cache, tile) == body_of(tile)
        assert not cache.is_kept(key_of(tile))
    assert not cache.remembers(key_of(second))
    assert workshop.make(replace(maker.order(first), is_quick=True)) == body_of(first)
    assert len(maker.together) == 1  # the others are there


@pytest.mark.parametrize("error", [DamagedSourceError("a tile"), SourceUnreachableError("an unreadable sector", "")])
def test_what_is_wrong_with_others_harms_no_quick_tile(workshop: Workshop, error: Exception) -> None:
    maker = Maker()
    maker.fails_after, maker.error = 0, error
    for tile in (GridTile(1, 5, 5), GridTile(1, 6, 5), GridTile(1, 7, 5)):
        assert workshop.make(replace(maker.order(tile), is_quick=True)) == body_of(tile)
    assert maker.together
    assert len(maker.alone) == 3
    assert not workshop._promises


SCREEN = ScreenGrid(Size(8192, 8192), Size(256, 256), 4)
BESIDE, BELOW = GridTile(1, 21, 14), GridTile(1, 20, 16)


class Beside:
    """A workshop that was asked for the first tile of a screen, and another process that makes tiles of that screen."""

    def __init__(self, folder: Path) -> None:
        self.locks = OtherProcess()
        self.cache = DerivativeCache(DiskBackend(folder), locks=self.locks)
        self.workshop, self.maker = Workshop(self.cache, patience_seconds=10), Maker()
        self.middle = GridTile(1, 20, 14)
        self.answers: list[tuple[GridTile, bytes]] = []
        self._threads: list[threading.Thread] = []
        self.ask(self.middle)
        self.wait()
        self.answers.clear()

    def takes(self, tile: GridTile) -> None:
        self.locks.theirs.add(self._digest(tile))

    def leaves(self, tile: GridTile) -> None:
        self.locks.theirs.discard(self._digest(tile))

    def has_made(self, tile: GridTile) -> None:
        self.cache.keep(key_of(tile), "image/jpeg", b"theirs")

    def ask(self, tile: GridTile) -> None:
        """In a thread of its own, which has begun to wait when this returns."""
        thread = threading.Thread(target=lambda: self.answers.append((tile, self.workshop.make(self._order(tile)))))
        self._threads.append(thread)
        thread.start()
        time.sleep(0.05)

    def wait(self) -> None:
        """For all answers, and for what is made in the background."""
        for thread in self._threads:
            thread.join(10)
        end = time.monotonic() + 10
        while (self.workshop._promises or self.locks.ours) and time.monotonic() < end:
            time.sleep(0.01)
        assert not self.workshop._promises
        assert not self.locks.ours

    def _order(self, tile: GridTile) -> Order:
        return replace(self.maker.order(tile), grid=SCREEN)

    def _digest(self, tile: GridTile) -> str:
        return _cell_digest(self._order(tile), SCREEN.cell(tile))


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


def test_what_another_process_is_making_is_left_to_it(beside: Beside) -> None:
    beside.takes(BELOW)
    beside.ask(BESIDE)
    beside.wait()
    (made,) = beside.maker.together
    assert made[0] == BESIDE
    assert {tile.row for tile in made} == {14, 15}
    beside.ask(BELOW)
    assert beside.answers == [(BESIDE, body_of(BESIDE))]
    beside.has_made(BELOW)
    beside.leaves(BELOW)
    beside.wait()
    assert beside.answers[1:] == [(BELOW, b"theirs")]
    assert len(beside.maker.together) == 1


def test_who_waits_for_a_tile_that_is_left_to_another_process_gets_it_from_there(beside: Beside) -> None:
    beside.takes(BESIDE)
    beside.takes(BELOW)
    beside.ask(BESIDE)
    beside.ask(BELOW)
    assert not beside.answers
    beside.leaves(BESIDE)  # it was not making that one
    time.sleep(0.2)
    assert beside.answers == [(BESIDE, body_of(BESIDE))]
    beside.has_made(BELOW)
    beside.leaves(BELOW)
    beside.wait()
    assert beside.answers[1:] == [(BELOW, b"theirs")]
    assert all(tile.row < 16 for tile in beside.maker.together[0])


def test_who_waits_is_not_left_with_a_tile_alone_when_the_leader_finds_its_own(beside: Beside) -> None:
    beside.takes(BESIDE)
    for tile in (BESIDE, BESIDE, BELOW):
        beside.ask(tile)
    beside.has_made(BESIDE)
    beside.leaves(BESIDE)
    beside.wait()
    assert sorted(beside.answers, key=lambda answer: answer[0].row) == [
        (BESIDE, b"theirs"),
        (BESIDE, b"theirs"),
        (BELOW, body_of(BELOW)),
    ]
    assert beside.maker.alone == [beside.middle]
    assert [tiles[0] for tiles in beside.maker.together] == [BELOW]
