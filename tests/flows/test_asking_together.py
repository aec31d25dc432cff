"""Many tiles of an image that nobody asked for before come at once: the database is asked once for all of them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from images.models import Image
from images.selectors import images, indexes
from images.selectors.images import ImageNotFoundError, forget_served_image, get_served_image
from images.selectors.indexes import find_index
from images.selectors.record import read_record
from tests.flows.conftest import Ingest, gradient
from tests.images.indexes.tiff.pixels import pixel_tiff

pytestmark = pytest.mark.django_db

THREADS = 8


class Database:
    """Answers with what it once said, when it is let."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
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


def _together(database: Database, ask: Callable[[], Any], meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
    """What each of the threads gets, one of which has asked before the others come."""
    with ThreadPoolExecutor(THREADS) as threads:
        answers = [threads.submit(ask)]
        assert database.is_asked.wait(20)
        coming = threading.Barrier(THREADS)

        def come_and_ask() -> Any:
            coming.wait(20)
            return ask()

        answers += [threads.submit(come_and_ask) for _ in range(THREADS - 1)]
        coming.wait(20)
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
    database = Database(read_record("picture"))
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
    database = Database(None)
    monkeypatch.setattr(images, "read_record", database)
    answers = _together(database, lambda: get_served_image("none"))
    assert [type(answer) for answer in answers] == [ImageNotFoundError] * THREADS
    assert database.asked == 1


def test_where_nothing_is_trusted_nobody_waits(record: Database, settings: Any) -> None:
    settings.IIIF_SERVED_IMAGE_TTL = 0
    answers = _together(record, lambda: get_served_image("picture"))
    assert len({id(answer) for answer in answers}) == 1
    assert record.asked == THREADS


def test_an_index_is_read_once(ingest: Ingest, patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(pixel_tiff(np.asarray(gradient(600, 400)), 256, 8, levels=2), "pyramid.tif", "pyramid")
    served = get_served_image("pyramid")
    database = Database(indexes._query(served))
    monkeypatch.setattr(indexes, "_query", database)
    indexes._memo.clear()
    answers = _together(database, lambda: find_index(served))
    assert len({id(answer) for answer in answers}) == 1
    assert answers[0] is not None
    assert database.asked == 1
