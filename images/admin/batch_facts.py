"""What the pages of batches show and let be downloaded."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from images.admin.batch_forms import BatchForm
from images.models import Batch, BatchRow, BatchState, RowState
from images.selectors.batches import BatchProgress, get_progress, row_error
from images.services.batch_rows import Checked, RowError
from images.services.batch_tables import wrong_rows_table

_UNFINISHED = (BatchState.RUNNING, BatchState.UNDOING)


def batch_facts(batch: Batch) -> dict[str, Any]:
    """What the page of a batch asks for until it is through."""
    progress = get_progress(batch)
    counts = {
        name: getattr(progress, name) for name in ("ready", "pending", "failed", "cancelled", "undone", "gone", "total")
    }
    is_busy = batch.state in _UNFINISHED or (batch.state == BatchState.REGISTERED and progress.pending > 0)
    return {
        **counts,
        "state": batch.state,
        "label": batch.get_state_display(),
        "ended": ended_rows(progress),
        "rate": None if progress.rate is None else round(progress.rate, 1),
        "seconds_left": progress.seconds_left if is_busy else None,
        "is_finished": not is_busy,
    }


def ended_rows(progress: BatchProgress) -> int:
    return progress.total - progress.pending


def column_of(error: RowError) -> str:
    """The column of a table in which the mistake stands."""
    return {"source.store": "store", "source.key": "source", "source.url": "source"}.get(error.field, error.field)


def right_rows(checked: Checked) -> list[Any]:
    wrong = {error.row for error in checked.errors}
    return [row for row in checked.rows if row.number not in wrong]


def wrong_rows_response(form: BatchForm, checked: Checked) -> HttpResponse:
    reasons: dict[int, list[str]] = {}
    for error in checked.errors:
        reasons.setdefault(error.row, []).append(f"{column_of(error)}: {error.detail}".removeprefix(": "))
    return table_response(
        wrong_rows_table(
            (raw.number, raw.values, " ".join(reasons[raw.number])) for raw in form.raw if raw.number in reasons
        )
    )


def row_as_written(row: BatchRow, stores: dict[int, str], collections: dict[int, str]) -> dict[str, Any]:
    """A registered row as it would stand in a table."""
    values = row.values
    return {
        **values["fields"],
        "identifier": row.identifier,
        "source": values["key"] or values["url"],
        "store": stores.get(values["store"], ""),
        "collection": collections.get(values["collection"], ""),
    }


def row_facts(row: BatchRow) -> dict[str, Any]:
    if row.state != RowState.DONE:
        label: Any = row.get_state_display()
    else:
        label = _("Removed later") if row.image is None else row.image.get_state_display()
    return {
        "number": row.number,
        "identifier": row.identifier,
        "address": reverse("admin:images_image_change", args=[row.image.pk]) if row.image else "",
        "label": label,
        "reason": (row_error(row) or {}).get("detail", ""),
    }


def table_response(text: str) -> HttpResponse:
    response = HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="wrong-rows.csv"'
    response["Cache-Control"] = "no-store"
    return response
