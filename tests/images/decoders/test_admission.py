"""Slots, lanes and the queue."""

import threading
from collections.abc import Callable

import pytest

from images.decoders.admission import Admission
from images.decoders.errors import OverloadedError
from images.decoders.pool import DecoderPool, ThreadRunner
from images.decoders.source import SourceData
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import wait_until

NOTHING = SourceData(data=b"")


class Visitors:
    """Threads that enter, one after the other, and note in which order they got in."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._threads: list[threading.Thread] = []
        self.entered: list[str] = []
        self.refused: list[str] = []

    def come(self, name: str, *, is_dear: bool = False) -> None:
        before = self._admission.stats().waiting
        thread = threading.Thread(target=self._enter, args=(name, is_dear))
        thread.start()
        self._threads.append(thread)
        assert wait_until(
            lambda: self._admission.stats().waiting > before or name in self.entered or name in self.refused
        )

    def _enter(self, name: str, is_dear: bool) -> None:
        try:
            self._admission.enter(is_dear=is_dear)
        except OverloadedError:
            self.refused.append(name)
        else:
            self.entered.append(name)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)


def test_a_full_queue_answers_at_once_and_says_when_to_come_again() -> None:
    admission = Admission(1, 1, 0, 60)
    admission.enter(is_dear=False)
    with pytest.raises(OverloadedError) as caught:
        admission.enter(is_dear=False)
    assert 1 <= caught.value.retry_after <= 5
    assert admission.stats().refused == 1
    admission.leave(is_dear=False)
    admission.enter(is_dear=False)


def test_who_waits_tells_so_again_and_again_while_every_slot_is_taken() -> None:
    told: list[str] = []
    admission = Admission(1, 1, 4, 60, lambda: told.append(threading.current_thread().name))
    admission.enter(is_dear=False)
    assert not told
    visitor = threading.Thread(target=lambda: admission.enter(is_dear=False), name="visitor")
    visitor.start()
    assert wait_until(lambda: len(told) > 2)
    admission.leave(is_dear=False)
    visitor.join(20)
    assert set(told) == {"visitor"}


@pytest.mark.parametrize("is_full", [False, True])
def test_dear_work_that_waits_for_dear_work_asks_nobody_for_room(*, is_full: bool) -> None:
    told: list[str] = []
    admission = Admission(2, 1, 4, 0.1, lambda: told.append(""))
    admission.enter(is_dear=True)
    if is_full:
        admission.enter(is_dear=False)
    with pytest.raises(OverloadedError):
        admission.enter(is_dear=True)
    assert not told


@pytest.mark.parametrize("is_granted", [False, True])
def test_who_fails_while_he_waits_leaves_no_slot_taken(*, is_granted: bool) -> None:
    def fails() -> None:
        if is_granted:
            admission.leave(is_dear=False)
        raise MemoryError

    admission = Admission(1, 1, 4, 60, fails)
    admission.enter(is_dear=False)
    with pytest.raises(MemoryError):
        admission.enter(is_dear=False)
    assert admission.stats().waiting == 0
    if not is_granted:
        admission.leave(is_dear=False)
    assert admission.stats().busy == 0


def test_nobody_waits_longer_than_the_limit() -> None:
    admission = Admission(1, 1, 4, 0.05)
    admission.enter(is_dear=False)
    with pytest.raises(OverloadedError):
        admission.enter(is_dear=False)
    stats = admission.stats()
    assert (stats.waiting, stats.waits, stats.busy) == (0, 1, 1)


def test_the_queue_is_served_in_order_of_arrival() -> None:
    admission = Admission(1, 1, 10, 60)
    admission.enter(is_dear=False)
    visitors = Visitors(admission)
    names = list("abcde")
    for name in names:
        visitors.come(name)
    for count in range(1, 6):
        admission.leave(is_dear=False)
        assert wait_until(lambda: len(visitors.entered) == count)  # noqa: B023
    visitors.join()
    assert visitors.entered == names


def test_dear_work_leaves_slots_to_tiles() -> None:
    admission = Admission(4, 2, 8, 60)
    visitors = Visitors(admission)
    for name in ("d1", "d2", "d3"):
        visitors.come(name, is_dear=True)
    assert visitors.entered == ["d1", "d2"]
    visitors.come("t1")
    visitors.come("t2")
    visitors.come("t3")
    assert visitors.entered == ["d1", "d2", "t1", "t2"]
    admission.leave(is_dear=False)
    assert wait_until(lambda: "t3" in visitors.entered)
    assert "d3" not in visitors.entered
    admission.leave(is_dear=True)
    visitors.join()
    assert visitors.entered[-1] == "d3"
    assert admission.stats().dear_busy == 2


def test_dear_work_leaves_places_in_the_queue_to_tiles() -> None:
    admission = Admission(1, 1, 4, 60)
    admission.enter(is_dear=False)
    visitors = Visitors(admission)
    for name in ("d1", "d2", "d3"):
        visitors.come(name, is_dear=True)
    assert wait_until(lambda: visitors.refused == ["d3"])
    visitors.come("t1")
    visitors.come("t2")
    visitors.come("t3")
    assert wait_until(lambda: visitors.refused == ["d3", "t3"])
    admission.close()
    visitors.join()


def test_closing_sends_everyone_away() -> None:
    admission = Admission(1, 1, 4, 60)
    admission.enter(is_dear=False)
    visitors = Visitors(admission)
    visitors.come("a")
    admission.close()
    visitors.join()
    assert visitors.refused == ["a"]
    with pytest.raises(OverloadedError):
        admission.enter(is_dear=False)


@pytest.mark.parametrize("arguments", [(2, 0, 1, 1), (2, 3, 1, 1), (0, 1, 1, 1), (2, 1, -1, 1), (2, 1, 1, -1)])
def test_nonsense_is_refused(arguments: tuple[int, int, int, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Admission(*arguments)


@pytest.fixture(params=["pool", "thread"])
def new_runner(request: pytest.FixtureRequest, new_pool: PoolMaker) -> Callable[..., DecoderPool | ThreadRunner]:
    def make(*arguments: float) -> DecoderPool | ThreadRunner:
        if request.param == "pool":
            return new_pool(*arguments)
        return ThreadRunner(*arguments, job_module="tests.images.decoders.fake_jobs")  # type: ignore[arg-type]

    return make


def test_runners_refuse_when_the_queue_is_full(
    new_runner: Callable[..., DecoderPool | ThreadRunner],
) -> None:
    runner = new_runner(1, 1, 0, 1)
    slow = {"kind": "sleep", "seconds": 1}
    thread = threading.Thread(target=runner.run, args=(slow, NOTHING))
    thread.start()
    assert wait_until(lambda: runner.stats()["busy"] == 1)
    with pytest.raises(OverloadedError):
        runner.run({"kind": "echo"}, NOTHING)
    thread.join()
    assert runner.stats()["overloads"] == 1


def test_runners_keep_a_lane_free_of_dear_work(
    new_runner: Callable[..., DecoderPool | ThreadRunner],
) -> None:
    runner = new_runner(2, 1, 4, 60)
    slow = {"kind": "sleep", "seconds": 1, "plan": {"is_dear": True}}
    threads = [threading.Thread(target=runner.run, args=(slow, NOTHING)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: runner.stats()["queue_depth"] == 1)
    assert runner.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"
    stats = runner.stats()
    assert (stats["dear_busy"], stats["queue_depth"]) == (1, 1)
    for thread in threads:
        thread.join()
