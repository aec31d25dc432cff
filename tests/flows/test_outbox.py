"""Nothing that was committed is lost on its way to a worker, whatever becomes of the broker or of the process."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, transaction

from images import queue, tasks
from images.models import Image, ImageState, OutboxEntry
from images.queue import Queue, enqueue, enqueue_many, publish_waiting
from images.services.registration import SourceReference, image_register
from images.services.stores import store_for_folder
from tests.flows.conftest import gradient, png_bytes
from tests.support.broker import broker, drain, folder_broker, take
from tests.support.redis import Redis
from tests.support.server import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Path]:
    with broker(*folder_broker(tmp_path / "broker")):
        yield tmp_path / "broker" / "queue"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper takes what was committed just now, and asks a broker again that refused a moment ago."""
    monkeypatch.setattr(queue, "_GRACE", timedelta(0))
    monkeypatch.setattr(queue, "_REST_SECONDS", 0.0)


def _messages(folder: Path) -> int:
    return len(list(folder.glob("*.msg")))


def test_a_task_is_sent_on_commit_and_its_row_removed(embedded: Path) -> None:
    with transaction.atomic():
        enqueue("images.ingest", 7)
        assert OutboxEntry.objects.count() == 1
        assert _messages(embedded) == 0
    assert OutboxEntry.objects.count() == 0
    assert take("ingest") == ("images.ingest", [7])


def test_a_transaction_that_fails_sends_nothing(embedded: Path) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        _enqueue_and_fail()
    assert OutboxEntry.objects.count() == 0
    assert _messages(embedded) == 0


def _enqueue_and_fail() -> None:
    enqueue("images.ingest", 7)
    raise RuntimeError


def test_a_queue_may_be_named(embedded: Path) -> None:
    enqueue("images.ingest", 7, queue=Queue.BULK)
    assert take("ingest") is None
    assert take("bulk") == ("images.ingest", [7])


def test_250_calls_cost_few_statements(embedded: Path, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(14), transaction.atomic():
        enqueue_many("images.ingest", [(number,) for number in range(250)], queue=Queue.BULK)
    assert OutboxEntry.objects.count() == 0
    assert _messages(embedded) == 250


def test_the_sweeper_leaves_alone_what_is_just_being_sent(embedded: Path) -> None:
    OutboxEntry.objects.create(task="images.ingest", arguments=[7])
    assert publish_waiting() == 0
    assert OutboxEntry.objects.count() == 1


def test_a_task_that_was_not_sent_is_sent_later(embedded: Path, at_once: None) -> None:
    OutboxEntry.objects.create(task="images.ingest", arguments=[7], queue="bulk")
    OutboxEntry.objects.create(task="images.thumbnails", arguments=[8])
    assert publish_waiting() == 2
    assert OutboxEntry.objects.count() == 0
    assert take("bulk") == ("images.ingest", [7])
    assert take("derivatives") == ("images.thumbnails", [8])


def test_a_broker_that_refused_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*_args: object, **_kwargs: object) -> None:
        asked.append(1)
        raise OSError("connection refused")

    monkeypatch.setattr("images.tasks.ingest_task.apply_async", refuse)
    for number in range(20):
        enqueue("images.ingest", number)
    assert len(asked) == 1
    assert OutboxEntry.objects.count() == 20


KILLS = 200


@pytest.mark.slow
def test_200_deaths_of_the_broker_between_commit_and_sending_lose_nothing(
    tmp_path: Path, at_once: None, redis_server: Redis, settings: Any
) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "a.png").write_bytes(png_bytes(gradient(30, 20)))
    store = store_for_folder(folder)
    with broker(redis_server.url, settings.REDIS_BROKER_OPTIONS):
        for number in range(KILLS):
            with transaction.atomic():
                image_register(f"image-{number}", SourceReference(store=store, key="a.png"))
                redis_server.kill()
            redis_server.start()
        left = OutboxEntry.objects.count()
        assert left == KILLS
        while publish_waiting():
            pass
        drain()
    assert OutboxEntry.objects.count() == 0
    ready = Image.objects.filter(state=ImageState.READY, version=1)
    assert ready.count() == KILLS


def test_a_hint_that_comes_to_nothing_is_only_logged(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Tasks of tests run at once: in the thread that sends the hint, where nobody could catch what they raise."""
    asked = threading.Event()

    def fail(pk: int) -> None:
        asked.set()
        raise OperationalError(f"table is locked for {pk}")

    monkeypatch.setattr(tasks.refresh_task, "run", fail)
    queue.enqueue_aside("images.refresh", 7)
    assert asked.wait(10)
    assert wait_until(lambda: "images.refresh(7,) came to nothing" in caplog.text, 10)
