"""Many tiles of an image that nobody asked for before come at once: the database is asked once for all of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from images.models import Image
from images.selectors import asking, images, indexes
from images.selectors.asking import Turns
from images.selectors.images import ImageNotFoundError, forget_served_image, get_served_image
from images.selectors.indexes import find_index
from images.selectors.record import read_record
from tests.flows.conftest import Ingest, gradient
from tests.images.indexes.tiff.pixels import pixel_tiff

pytestmark = pytest.mark.django_db

THREADS = 8


class Database:
    """Answers with what it once said, when it is let."""

    def __init__(self, answer: Any, turns: Turns, key: Callable[[], Any]) -> None:
        self._answer = answer
        self._turns, self._key = turns, key
        self._lock = threading.Lock()
        self.asked = 0
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()

    def __call__(self, _question: Any) -> Any:
        with self._lock:
            self.asked += 1
        self.is_asked.set()
        assert self.may_answer.wait(20)
        return self._answer

    def wait_for(self, threads: int) -> None:
        """Until so many have asked or wait for their turn."""
        until = time.monotonic() + 20
        while max(self.asked, self._turns._wanted.get(self._key(), (None, 0))[1]) < threads:
            assert time.monotonic() < until
            time.sleep(0.001)


def _together(database: Database, ask: Callable[[], Any], meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
    """What each of the threads gets, one of which has asked before the others come."""
    with ThreadPoolExecutor(THREADS) as threads:
        answers = [threads.submit(ask)]
        assert database.is_asked.wait(20)
        answers += [threads.submit(ask) for _ in range(THREADS - 1)]
        database.wait_for(THREADS)
        meanwhile()
        database.may_answer.set()
        return [answer.exception(20) or answer.result(20) for answer in answers]


@pytest.fixture
def patient(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.IIIF_SERVED_IMAGE_TTL = settings.IIIF_UNKNOWN_IMAGE_TTL = 3600.0
    for module in (images, indexes):
        monkeypatch.setattr(module._turns, "_patience_seconds", 20.0)


@pytest.fixture
def record(picture: Image, patient: None, monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database(read_record("picture"), images._turns, lambda: "picture")
    monkeypatch.setattr(images, "read_record", database)
    forget_served_image("picture")
    return database


def test_a_record_is_read_once(record: Database) -> None:
    answers = _together(record, lambda: get_served_image("picture"))
    assert len({id(answer) for answer in answers}) == 1
    assert record.asked == 1


def test_what_was_read_before_a_change_is_read_again(record: Database) -> None:
    """Who came after the change does not take what was read before it."""
    answers = _together(
        record, lambda: get_served_image("picture"), meanwhile=lambda: images._hear("records", ["picture"])
    )
    assert all(answer.identifier == "picture" for answer in answers)
    assert record.asked == 2


def test_that_there_is_none_is_asked_once(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(None, images._turns, lambda: "none")
    monkeypatch.setattr(images, "read_record", database)
    answers = _together(database, lambda: get_served_image("none"))
    assert [type(answer) for answer in answers] == [ImageNotFoundError] * THREADS
    assert database.asked == 1


def test_where_nothing_is_trusted_nobody_waits(record: Database, settings: Any) -> None:
    settings.IIIF_SERVED_IMAGE_TTL = 0
    answers = _together(record, lambda: get_served_image("picture"))
    assert len({id(answer) for answer in answers}) == 1
    assert record.asked == THREADS


def test_while_the_database_does_not_answer_nobody_waits(record: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread tries it again; the others serve what was known, at once."""
    now = [100.0]
    monkeypatch.setattr("images.selectors.asking._breaker._clock", lambda: now[0])
    record.may_answer.set()
    known = get_served_image("picture")
    images._memo.expire()
    record.may_answer.clear()
    record.is_asked.clear()
    asking._breaker.note_failure()
    now[0] += 1.1
    with ThreadPoolExecutor(THREADS) as threads:
        trying = threads.submit(get_served_image, "picture")
        assert record.is_asked.wait(20)
        others = [threads.submit(get_served_image, "picture") for _ in range(THREADS - 1)]
        try:
            assert [other.result(10) for other in others] == [known] * (THREADS - 1)
            assert record.asked == 2
        finally:
            record.may_answer.set()
        assert trying.result(20) == known


def test_an_index_is_read_once(ingest: Ingest, patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(pixel_tiff(np.asarray(gradient(600, 400)), 256, 8, levels=2), "pyramid.tif", "pyramid")
    served = get_served_image("pyramid")
    database = Database(indexes._query(served), indexes._turns, lambda: indexes._key(served))
    monkeypatch.setattr(indexes, "_query", database)
    indexes._memo.clear()
    answers = _together(database, lambda: find_index(served))
    assert len({id(answer) for answer in answers}) == 1
    assert answers[0] is not None
    assert database.asked == 1
