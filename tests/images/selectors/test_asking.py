"""Questions are asked of a database that answers, and of one that does not by one thread a second."""

import pytest
from django.db import DataError, OperationalError

from images.selectors.asking import ask


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
