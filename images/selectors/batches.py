"""How far batches are: read from their rows and the images of these."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from images.models import Batch, BatchRow, ImageState, RowState

_BEGUN = Coalesce("batch__resumed", "batch__created")
_ENDED = (ImageState.READY, ImageState.FAILED)


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
    """Of each batch; two queries for all."""
    listed = list(batches)
    rows = BatchRow.objects.filter(batch__in=[batch.pk for batch in listed])
    counts: dict[UUID, Counter[tuple[str, str | None]]] = {batch.pk: Counter() for batch in listed}
    for pk, state, image_state, count in rows.values_list("batch", "state", "image__state").annotate(Count("pk")):
        counts[pk][state, image_state] += count
    read = rows.filter(image__state__in=_ENDED, state=RowState.DONE, image__state_changed__gte=_BEGUN)
    times: dict[UUID, tuple[datetime | None, int]] = {
        pk: (last, count)
        for pk, last, count in read.values_list("batch").annotate(Max("image__state_changed"), Count("pk"))
    }
    return {batch.pk: _progress(batch, counts[batch.pk], *times.get(batch.pk, (None, 0))) for batch in listed}


def get_progress(batch: Batch) -> BatchProgress:
    return list_progress([batch])[batch.pk]


def list_rows(batch: Batch, state: str = "") -> QuerySet[BatchRow]:
    """Rows with their images; `state`: pending, ready, failed, cancelled, undone, or all."""
    rows = batch.rows.select_related("image")
    match state:
        case "pending":
            unread = Q(state=RowState.DONE, image__state__in=(ImageState.PENDING, ImageState.PROCESSING))
            return rows.filter(unread | Q(state=RowState.WAITING))
        case "ready":
            return rows.filter(state=RowState.DONE, image__state=ImageState.READY)
        case "failed":
            return rows.filter(Q(state=RowState.DONE, image__state=ImageState.FAILED) | Q(state=RowState.REFUSED))
        case "cancelled" | "undone":
            return rows.filter(state=state)
    return rows


def row_error(row: BatchRow) -> Mapping[str, str] | None:
    """Why a row has failed: in the registration, or when its source was read."""
    if row.error_code:
        return {"code": row.error_code, "detail": row.error_detail}
    if row.image is not None and row.image.error_code and row.state == RowState.DONE:
        return {"code": row.image.error_code, "detail": row.image.error_detail}
    return None


def _progress(batch: Batch, counts: Counter[tuple[str, str | None]], last: datetime | None, read: int) -> BatchProgress:
    def done(*states: str | None) -> int:
        return sum(counts[RowState.DONE, state] for state in states)

    def rows(state: str) -> int:
        return sum(count for (name, _image), count in counts.items() if name == state)

    pending = rows(RowState.WAITING) + done(ImageState.PENDING, ImageState.PROCESSING)
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
