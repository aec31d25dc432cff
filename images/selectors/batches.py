"""How far batches are: read from their rows and the images of these."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from images.models import Batch, BatchRow, BatchState, Image, ImageState, RowState

_BEGUN = Coalesce("batch__resumed", "batch__created")
_ENDED = (ImageState.READY, ImageState.FAILED)
_UNREAD = (ImageState.PENDING, ImageState.PROCESSING)
_AT_REST = (BatchState.REGISTERED, BatchState.CANCELLED, BatchState.UNDONE)
_LARGE = 2000
_SECONDS = 10.0
_KEPT = 256
_clock = time.monotonic
_finished: dict[object, tuple[float, "BatchProgress"]] = {}
"""Of large batches in which nothing is left to do, until when it may be trusted."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Counts of rows; together they are `total`. `rate`: images read a second; `seconds_left` at that rate, or None.

    The rate is that since the batch was made or last tried again.
    """

    total: int
    pending: int
    ready: int
    failed: int
    cancelled: int
    undone: int
    gone: int
    rate: float | None
    seconds_left: int | None


def list_progress(batches: Iterable[Batch]) -> dict[UUID, BatchProgress]:
    """Of each batch; one query for all. That of large ones that are through may be some seconds old."""
    found: dict[UUID, BatchProgress] = {}
    asked: list[Batch] = []
    for batch in batches:
        until, progress = _finished.get(_finished_key(batch), (0.0, None))
        if progress is None or _clock() >= until:
            asked.append(batch)
        else:
            found[batch.pk] = progress
    if asked:
        counted = _count_progress(asked)
        found.update(counted)
        for batch in asked:
            _keep(batch, counted[batch.pk])
    return found


def forget_progress() -> None:
    _finished.clear()


def get_progress(batch: Batch) -> BatchProgress:
    return list_progress([batch])[batch.pk]


def list_rows(batch: Batch, state: str = "") -> QuerySet[BatchRow]:
    """Rows with their images; `state`: pending, ready, failed, cancelled, undone, or all."""
    rows = batch.rows.select_related("image")
    match state:
        case "pending":
            unread = Image.objects.order_by().filter(state__in=_UNREAD)
            found = Q(state=RowState.WAITING)
            if unread.exists():  # mostly nothing is, and then rows need not be looked at one by one
                found |= Q(state=RowState.DONE, image__in=unread.values("pk"))
            return rows.filter(found)
        case "ready":
            return rows.filter(state=RowState.DONE, image__state=ImageState.READY)
        case "failed":
            return rows.filter(Q(state=RowState.DONE, image__state=ImageState.FAILED) | Q(state=RowState.REFUSED))
        case "cancelled" | "undone":
            return rows.filter(state=state)
    return rows


def row_error(row: BatchRow) -> Mapping[str, str] | None:
    """Why a row has failed: in the registration, or when its source was read (which is recorded in English)."""
    if row.error_code:
        return {"code": row.error_code, "detail": _(row.error_detail) if row.error_detail else ""}
    if row.image is not None and row.image.error_code and row.state == RowState.DONE:
        return {"code": row.image.error_code, "detail": row.image.error_detail}
    return None


def _finished_key(batch: Batch) -> object:
    return batch.pk, batch.state, batch.state_changed, batch.resumed, batch.total


def _keep(batch: Batch, progress: BatchProgress) -> None:
    if batch.state in _AT_REST and not progress.pending and progress.total >= _LARGE:
        if len(_finished) >= _KEPT:
            _finished.clear()
        _finished[_finished_key(batch)] = _clock() + _SECONDS, progress


def _count_progress(batches: list[Batch]) -> dict[UUID, BatchProgress]:
    counts: dict[UUID, Counter[tuple[str, str | None]]] = {batch.pk: Counter() for batch in batches}
    last: dict[UUID, datetime] = {}
    read: Counter[UUID] = Counter()
    since = Q(image__state_changed__gte=_BEGUN)
    rows = BatchRow.objects.order_by().filter(batch__in=[batch.pk for batch in batches])
    grouped = rows.values_list("batch", "state", "image__state").annotate(
        count=Count("pk"), changed=Max("image__state_changed", filter=since), changes=Count("pk", filter=since)
    )
    for pk, state, image_state, count, changed, changes in grouped:
        counts[pk][state, image_state] += count
        if state == RowState.DONE and image_state in _ENDED and changes:
            last[pk] = max(last.get(pk, changed), changed)
            read[pk] += changes
    return {batch.pk: _progress(batch, counts[batch.pk], last.get(batch.pk), read[batch.pk]) for batch in batches}


def _progress(batch: Batch, counts: Counter[tuple[str, str | None]], last: datetime | None, read: int) -> BatchProgress:
    def done(*states: str | None) -> int:
        return sum(counts[RowState.DONE, state] for state in states)

    def rows(state: str) -> int:
        return sum(count for (name, _image), count in counts.items() if name == state)

    pending = rows(RowState.WAITING) + done(*_UNREAD)
    until = timezone.now() if pending or last is None else last
    seconds = (until - (batch.resumed or batch.created)).total_seconds()
    rate = read / seconds if read and seconds > 0 else None
    return BatchProgress(
        total=batch.total,
        pending=pending,
        ready=done(ImageState.READY),
        failed=done(ImageState.FAILED) + rows(RowState.REFUSED),
        cancelled=rows(RowState.CANCELLED),
        undone=rows(RowState.UNDONE),
        gone=done(None),
        rate=None if rate is None else round(rate, 3),
        seconds_left=round(pending / rate) if rate and pending else None,
    )
