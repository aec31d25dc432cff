"""What is tried again and what is not, who waits for whom, and what is read no more."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import Retry as Retried
from django.core.management import call_command
from django.db import DataError, InterfaceError, OperationalError
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from iiifserver.celery import app, send_what_waits
from images.decoders.errors import DecoderDiedError
from images.models import Image, ImageState, OutboxEntry, Store
from images.retries import RETRIES, find_retry
from images.services import ingest as ingesting
from images.services.ingest import (
    IngestRetryError,
    image_ingest,
    image_refresh,
)
from images.services.ingest_sweeps import images_refresh_due, images_requeue_stalled
from images.services.registration import SourceReference, image_register
from images.services.service_copies import ServiceCopyRetryError
from images.services.stores import store_for_folder
from tests.flows.conftest import Ingest, gradient, png_bytes
from tests.support.broker import broker, folder_broker, take

TRANSIENT = [IngestRetryError, ServiceCopyRetryError, OperationalError, InterfaceError, BrokerError]


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_passes_is_tried_again_later_and_later(kind: type[Exception]) -> None:
    row = find_retry(kind("away"))
    assert row is not None
    for failures in range(row.tries):
        most = min(row.longest, row.first * 2**failures)
        delays = {row.delay(failures) for _ in range(20)}
        assert all(most / 2 <= delay <= most for delay in delays)
        assert len(delays) > 1


@pytest.mark.parametrize("error", [DataError("too long"), ValueError("no"), KeyError("x"), OSError("disk")])
def test_what_is_permanent_never(error: Exception) -> None:
    assert find_retry(error) is None
    assert len(RETRIES) == 3


@pytest.mark.django_db(transaction=True)
def test_a_task_whose_database_is_away_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_pk: int) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(ingesting, "image_ingest", fail)
    task = app.tasks["images.ingest"]
    with broker(*folder_broker(tmp_path / "broker")):
        task.push_request(args=[7], called_directly=False, retries=2, delivery_info={"routing_key": "ingest"}, id="a")
        try:
            with pytest.raises(Retried):
                task(7)
        finally:
            task.pop_request()
        assert take("ingest") == ("images.ingest", [7])


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_starts_sends_what_waits(tmp_path: Path) -> None:
    with broker(*folder_broker(tmp_path / "broker")):
        send_what_waits()
        assert take("caching") == ("images.publish_outbox", [])


@pytest.mark.django_db(transaction=True)
def test_a_folder_waits_in_the_queue_for_bulk_work(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(2):
        (sources / f"{number}.png").write_bytes(png_bytes(gradient(20, 10)))
    with broker(*folder_broker(tmp_path / "broker")):
        call_command("ingest", str(sources))
        call_command("ingest", str(sources / "0.png"), "--id", "alone")
        pk = Image.objects.get(identifier="alone").pk
        assert take("ingest") == ("images.ingest", [pk])
        assert take("ingest") is None
        assert [take("bulk") is not None for _ in range(3)] == [True, True, False]


@pytest.mark.django_db
def test_what_was_read_at_once_does_not_fall_due_at_once(tmp_path: Path, settings: Any) -> None:
    settings.IIIF_REFRESH_AT_ONCE = 1000
    store = store_for_folder(tmp_path)
    Store.objects.update(freshness_seconds=10_000)
    now = timezone.now()
    rows = [
        Image(identifier=f"i{n}", store=store, key=f"{n}", state=ImageState.READY, state_changed=now)
        for n in range(320)
    ]
    Image.objects.bulk_create(rows)
    due = []
    for age in (8_999, 9_500, 10_001):
        Image.objects.update(checked=timezone.now() - timedelta(seconds=age))
        due.append(images_refresh_due())
    assert due[0] == 0
    assert 100 < due[1] < 220
    assert due[2] == 320
    assert set(OutboxEntry.objects.values_list("queue", flat=True)) <= {"bulk"}


class Dying:
    """Decoders that die of everything; `deaths` counts as the pool would: two, and one where it is asked once."""

    def __init__(self) -> None:
        self.deaths = 0

    def run(self, job: dict[str, Any], *_args: Any, **_kwargs: Any) -> None:
        self.deaths += 1 if job.get("once") else 2
        raise DecoderDiedError("It died.")


@pytest.mark.django_db
def test_what_ends_decoders_at_its_first_reading_ends_three_and_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(gradient(20, 10)))
    source = SourceReference(store=store_for_folder(tmp_path), key="a.png")
    image = image_register("a", source, queue=False).image
    dying = Dying()
    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "get_runner", lambda: dying)
        with pytest.raises(IngestRetryError):
            image_ingest(image.pk)
        image_ingest(image.pk)
        image.refresh_from_db()
        assert (dying.deaths, image.state, image.error_code) == (3, ImageState.FAILED, "quarantined")
        assert image.quarantined_etag
        assert not image_refresh(image.pk)
        assert dying.deaths == 3
    path.with_name("b").write_bytes(png_bytes(gradient(30, 10)))
    path.with_name("b").rename(path)
    assert image_refresh(image.pk)
    image.refresh_from_db()
    assert (image.state, image.width, image.quarantined_etag) == (ImageState.READY, 30, "")


@pytest.mark.django_db
def test_what_a_dead_worker_had_in_hand_is_read_one_at_a_time(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.queue._publish", lambda _entries: 0)
    long_ago = timezone.now() - timedelta(hours=1)
    left = [ingest(png_bytes(gradient(20, 10)), f"{n}.png", f"n{n}") for n in range(3)]
    Image.objects.update(state=ImageState.PROCESSING, attempts=1, state_changed=long_ago)
    OutboxEntry.objects.all().delete()
    done = []
    for _image in left:
        assert images_requeue_stalled() == 1
        pk = OutboxEntry.objects.get().arguments[0]
        Image.objects.filter(pk=pk).update(attempts=2, state_changed=timezone.now())  # claimed
        OutboxEntry.objects.all().delete()
        assert images_requeue_stalled() == 0
        Image.objects.filter(pk=pk).update(state=ImageState.READY)
        done.append(pk)
    assert sorted(done) == [image.pk for image in left]
