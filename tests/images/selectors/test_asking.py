"""Questions are asked of a database that answers, and of one that does not by one thread a second."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError, OperationalError

from images.selectors.asking import Turns, ask


class Database:
    error: Exception | None = None
    asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return "answer"


def test_nobody_asks_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now, database = [100.0], Database()
    monkeypatch.setattr("images.selectors.asking._breaker._clock", lambda: now[0])
    database.error = OperationalError("gone")
    with pytest.raises(OperationalError, match="gone"):
        ask(database)
    now[0] += 0.9
    with pytest.raises(OperationalError, match="a moment ago"):
        ask(database)
    assert database.asked == 1
    now[0] += 0.2
    database.error = None
    assert [ask(database), ask(database)] == ["answer", "answer"]


def test_a_question_that_is_wrong_is_no_fault_of_the_database() -> None:
    database = Database()
    database.error = DataError("no such date")
    for _ in range(3):
        with pytest.raises(DataError):
            ask(database)
    assert database.asked == 3


def test_who_wants_the_same_has_turns() -> None:
    turns, told, asked = Turns(patience_seconds=20.0), {}, []

    def find(key: str) -> str:
        with turns.turn(key):
            if key not in told:
                asked.append(key)
                time.sleep(0.01)
                told[key] = key.upper()
            return told[key]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(find, "ababbaabcaab")) == list("ABABBAABCAAB")
    assert sorted(asked) == ["a", "b", "c"]
    assert not turns._wanted


def test_nobody_waits_for_ever() -> None:
    turns = Turns(patience_seconds=0.01)
    with ThreadPoolExecutor(1) as threads, turns.turn("slow"):
        assert threads.submit(_go_on, turns, "slow").result(20) == "slow"
    assert not turns._wanted


def test_who_wants_something_else_does_not_wait() -> None:
    turns = Turns(patience_seconds=60.0)
    with ThreadPoolExecutor(1) as threads, turns.turn("slow"):
        assert threads.submit(_go_on, turns, "other").result(20) == "other"


def test_a_turn_that_fails_is_the_next_ones() -> None:
    turns, is_taken, may_fail = Turns(patience_seconds=60.0), threading.Event(), threading.Event()

    def fail() -> None:
        with turns.turn("a"):
            is_taken.set()
            assert may_fail.wait(20)
            raise OperationalError

    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(fail)
        assert is_taken.wait(20)
        next_one = pool.submit(_go_on, turns, "a")
        while turns._wanted["a"][1] < 2:
            time.sleep(0.001)
        may_fail.set()
        assert isinstance(failing.exception(20), OperationalError)
        assert next_one.result(20) == "a"
    assert not turns._wanted


def _go_on(turns: Turns, key: str) -> str:
    with turns.turn(key):
        return key
