"""How far batches are, and which of their rows are asked for."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.models import Batch, BatchRow, BatchState, Image, ImageState, RowState
from images.selectors import batches
from images.selectors.batches import get_progress, list_progress, list_rows

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

DONE = RowState.DONE
ROWS = [
    (DONE, ImageState.READY),
    (DONE, ImageState.FAILED),
    (RowState.REFUSED, None),
    (RowState.CANCELLED, None),
    (DONE, ImageState.READY),
]


@pytest.fixture(autouse=True)
def _every_batch_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_LARGE", 2)


def _batch(rows: Sequence[tuple[str, str | None]], state: str = BatchState.REGISTERED) -> Batch:
    begun = timezone.now() - timedelta(minutes=1)
    batch = Batch.objects.create(state=state, state_changed=begun, created=begun, total=len(rows))
    for number, (row_state, image_state) in enumerate(rows, 1):
        image = None
        if image_state:
            address = "https://example.org/a.jp2"
            image = Image.objects.create(identifier=f"{batch.pk}/{number}", url=address, state=image_state)
        BatchRow.objects.create(batch=batch, number=number, values={}, state=row_state, image=image)
    return batch


def _numbers(batch: Batch, state: str) -> list[int]:
    return [row.number for row in list_rows(batch, state)]


def test_rows_are_counted_and_the_rate_is_that_since_the_last_try() -> None:
    batch, other = _batch(ROWS), _batch([(DONE, None), (RowState.WAITING, None), (DONE, ImageState.PENDING)])
    Image.objects.filter(identifier=f"{batch.pk}/1").update(state_changed=batch.created - timedelta(seconds=1))
    Image.objects.filter(identifier=f"{batch.pk}/2").update(state_changed=batch.created + timedelta(seconds=2))
    Image.objects.filter(identifier=f"{batch.pk}/5").update(state_changed=batch.created + timedelta(seconds=4))
    found = list_progress([batch, other])
    progress = found[batch.pk]
    assert (progress.ready, progress.failed, progress.cancelled, progress.pending) == (2, 2, 1, 0)
    assert progress.rate == 0.5  # two in four seconds: one was read before
    assert (found[other.pk].gone, found[other.pk].pending, found[other.pk].rate) == (1, 2, None)
    batch.resumed = batch.created + timedelta(seconds=3)
    batch.save()
    assert get_progress(batch).rate == 1.0


def test_one_query_counts_the_rows_of_all_batches_and_none_those_that_are_through() -> None:
    running = _batch([(DONE, ImageState.PENDING)] * 2)
    both = [_batch(ROWS), running]
    for expected in (1, 1):
        with CaptureQueriesContext(connection) as captured:
            list_progress(both)
        assert len(captured) == expected
    with CaptureQueriesContext(connection) as captured:
        list_progress(both[:1])
    assert not captured.captured_queries
    Image.objects.filter(state=ImageState.PENDING).update(state=ImageState.READY)
    assert get_progress(running).ready == 2


@pytest.mark.parametrize("state", [BatchState.RUNNING, BatchState.UNDOING])
def test_what_is_under_way_is_counted_each_time(state: str) -> None:
    batch = _batch(ROWS, state)
    assert get_progress(batch).ready == 2
    Image.objects.filter(state=ImageState.READY).update(state=ImageState.FAILED)
    assert get_progress(batch).ready == 0


def test_what_is_through_is_counted_anew_after_some_seconds_and_when_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(batches, "_clock", lambda: now[0])
    batch = _batch(ROWS)
    assert get_progress(batch).ready == 2
    Image.objects.filter(identifier=f"{batch.pk}/1").update(state=ImageState.FAILED)
    assert get_progress(batch).ready == 2
    now[0] += 11
    assert get_progress(batch).ready == 1
    Image.objects.filter(state=ImageState.FAILED).update(state=ImageState.PENDING)
    batch.resumed = timezone.now()
    assert get_progress(batch).pending == 2


def test_rows_by_what_became_of_them() -> None:
    rows = [*ROWS, (RowState.WAITING, None), (DONE, ImageState.PROCESSING), (DONE, None), (DONE, ImageState.PENDING)]
    batch = _batch(rows)
    _batch(rows)
    found = {name: _numbers(batch, name) for name in ("ready", "failed", "cancelled", "pending", "")}
    expected = {"ready": [1, 5], "failed": [2, 3], "cancelled": [4], "pending": [6, 7, 9], "": list(range(1, 10))}
    assert found == expected
    Image.objects.filter(state__in=[ImageState.PENDING, ImageState.PROCESSING]).delete()
    assert _numbers(batch, "pending") == [6]
