"""Questions are asked of a database that answers, and of one that does not by one thread a second."""

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


def test_nobody_waits_for_ever_and_other_keys_not_at_all() -> None:
    turns = Turns(patience_seconds=0.01)
    with ThreadPoolExecutor(1) as threads, turns.turn("slow"):

        def go_on(key: str) -> str:
            with turns.turn(key):
                return key

        assert threads.submit(go_on, "slow").result(20) == "slow"
        assert threads.submit(go_on, "other").result(20) == "other"
    assert not turns._wanted


def test_a_turn_that_fails_is_the_next_ones() -> None:
    turns = Turns(patience_seconds=0.0)
    for _ in range(2):
        with pytest.raises(OperationalError), turns.turn("a"):
            raise OperationalError
    assert not turns._wanted
