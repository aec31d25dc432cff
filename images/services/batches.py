"""Batches: thousands of images registered piece by piece, watched, retried, cancelled and undone.

A worker goes through the rows in small transactions and says in each row how far it is: whatever ends it, another goes
on from there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from images.conf import conf
from images.models import ApiToken, Batch, BatchRow, BatchState, Image, ImageState, RowState
from images.queue import Queue, enqueue, enqueue_many
from images.selectors.images import forget_served_image
from images.services.audit import image_note_added, image_note_changed, images_note_added
from images.services.batch_rows import Row
from images.services.registration import SourceReference, image_mark_pending, image_register, image_reingest

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_STEP_ROWS = 100
"""In one transaction: others that write wait for some hundredths of a second."""

_INSERTED_AT_ONCE = 500

# Kept in English, and translated for who reads them.
_GONE = gettext_noop("The store or the collection of this row is no longer there.")
_TAKEN = gettext_noop("The identifier is taken by another source.")


def batch_create(
    rows: Sequence[Row],
    *,
    label: str = "",
    replaces: bool = False,
    user: "User | None" = None,
    token: ApiToken | None = None,
) -> Batch:
    """Keep rows that were checked, and have a worker register them."""
    now = timezone.now()
    with transaction.atomic():
        batch = Batch.objects.create(
            label=label,
            replaces=replaces,
            total=len(rows),
            created=now,
            state_changed=now,
            created_by=user,
            token=token,
        )
        BatchRow.objects.bulk_create(
            (BatchRow(batch=batch, number=r.number, identifier=r.identifier, values=asdict(r)) for r in rows),
            batch_size=_INSERTED_AT_ONCE,
        )
        enqueue("images.batch", str(batch.pk))
    return batch


def batch_run(pk: str) -> None:
    """Go through the rows that wait, or undo those that are done, until none is left or somebody says otherwise."""
    while True:
        with transaction.atomic():
            batch = Batch.objects.select_for_update().filter(pk=pk).first()
            if batch is None or batch.state not in (BatchState.RUNNING, BatchState.UNDOING):
                return
            is_done = _undo_some(batch) if batch.state == BatchState.UNDOING else _register_some(batch)
            if is_done:
                batch.state = BatchState.UNDONE if batch.state == BatchState.UNDOING else BatchState.REGISTERED
            batch.state_changed = timezone.now()
            batch.save(update_fields=["state", "state_changed"])
        if is_done:
            return


def batch_retry(batch: Batch) -> int:
    """Have the failed rows done again. Returns how many."""
    with transaction.atomic():
        _lock(batch)
        failed = batch.rows.filter(Q(state=RowState.REFUSED) | Q(state=RowState.DONE, image__state=ImageState.FAILED))
        pks = list(failed.values_list("pk", flat=True))
        for start in range(0, len(pks), _INSERTED_AT_ONCE):
            again = BatchRow.objects.filter(pk__in=pks[start : start + _INSERTED_AT_ONCE])
            again.update(state=RowState.WAITING, error_code="", error_detail="")
        if pks:
            batch.resumed = timezone.now()
            batch.save(update_fields=["resumed"])
            _restate(batch, BatchState.RUNNING)
    return len(pks)


def batch_cancel(batch: Batch) -> int:
    """Leave the rows that wait undone; images that are registered already are read all the same. Returns how many."""
    with transaction.atomic():
        _lock(batch)
        cancelled = batch.rows.filter(state=RowState.WAITING).update(state=RowState.CANCELLED)
        Batch.objects.filter(pk=batch.pk, state=BatchState.RUNNING).update(
            state=BatchState.CANCELLED, state_changed=timezone.now()
        )
    return cancelled


def batch_undo(batch: Batch) -> int:
    """Remove the images that the batch has made. Returns how many there are."""
    with transaction.atomic():
        _lock(batch)
        batch.rows.filter(state=RowState.WAITING).update(state=RowState.CANCELLED)
        _restate(batch, BatchState.UNDOING)
        return batch.rows.filter(state=RowState.DONE, made=True, image__isnull=False).count()


def batches_resume() -> int:
    """Go on with batches whose worker has been silent for too long. Returns how many."""
    before = timezone.now() - timedelta(seconds=conf.stalled_seconds)
    stalled = Batch.objects.filter(state__in=(BatchState.RUNNING, BatchState.UNDOING), state_changed__lt=before)
    pks = list(stalled.values_list("pk", flat=True))
    for pk in pks:
        enqueue("images.batch", str(pk))
    return len(pks)


def _lock(batch: Batch) -> None:
    """Wait for the step that a worker may be at."""
    Batch.objects.select_for_update().get(pk=batch.pk)


def _restate(batch: Batch, state: BatchState) -> None:
    Batch.objects.filter(pk=batch.pk).update(state=state, state_changed=timezone.now())
    enqueue("images.batch", str(batch.pk))


def _register_some(batch: Batch) -> bool:
    """The next rows. True where none waits any more."""
    rows = list(batch.rows.filter(state=RowState.WAITING).order_by("number")[:_STEP_ROWS])
    known = {i.identifier: i for i in Image.objects.filter(identifier__in=[row.identifier for row in rows])}
    new = [row for row in rows if row.identifier not in known]
    images = [_image(row) for row in new]
    try:
        with transaction.atomic():
            made = Image.objects.bulk_create(images)
            images_note_added(batch.created_by, made)
    except IntegrityError:  # somebody registers one of them in this moment, or a collection is gone: one by one
        for row in new:
            _register_one(batch, row)
    else:
        for row, image in zip(new, made, strict=True):
            row.image, row.made, row.state = image, True, RowState.DONE
        enqueue_many("images.ingest", [(image.pk,) for image in made], queue=Queue.BULK)
    for row in rows:
        if row.identifier in known:
            _settle(batch, row, known[row.identifier])
    BatchRow.objects.bulk_update(rows, ["image", "made", "state", "error_code", "error_detail"], batch_size=_STEP_ROWS)
    return len(rows) < _STEP_ROWS


def _image(row: BatchRow) -> Image:
    values = row.values
    image = Image(
        identifier=row.identifier,
        store_id=values["store"],
        key=values["key"],
        url=values["url"],
        collection_id=values["collection"],
        **values["fields"],
    )
    image_mark_pending(image)
    return image


def _register_one(batch: Batch, row: BatchRow) -> None:
    image = _image(row)
    try:
        with transaction.atomic():
            image.save()
            image_note_added(batch.created_by, image)
    except IntegrityError:
        known = Image.objects.filter(identifier=row.identifier).first()
        if known is None:
            _refuse(row, "gone", _GONE)
        else:
            _settle(batch, row, known)
        return
    row.image, row.made, row.state = image, True, RowState.DONE
    enqueue("images.ingest", image.pk, queue=Queue.BULK)


def _settle(batch: Batch, row: BatchRow, image: Image) -> None:
    """The image is there: as it should be, from an earlier try, or with another source."""
    values = row.values
    if _is_beyond(batch, image):
        _refuse(row, "identifier_taken", _TAKEN)
        return
    if (image.store_id, image.key, image.url) == (values["store"], values["key"], values["url"]):
        row.image, row.state = image, RowState.DONE
        if image.state == ImageState.FAILED:
            image_reingest(image.pk)
        return
    if not batch.replaces:
        _refuse(row, "identifier_taken", _TAKEN)
        return
    source = _image(row)
    fields: dict[str, Any] = dict(values["fields"])
    if values["collection"] is not None:
        fields["collection"] = source.collection
    if fields.pop("profile_id", None) is not None:
        fields["profile"] = source.profile
    reference = SourceReference(store=source.store, key=source.key, url=source.url)
    row.image = image_register(row.identifier, reference, replace=True, **fields).image
    image_note_changed(batch.created_by, row.image, _changed(image, row.image))
    row.state = RowState.DONE


def _changed(before: Image, after: Image) -> list[str]:
    """What a row can change, by the names of the fields."""
    names = ("store_id", "key", "url", "collection_id", "profile_id", "label", "rights", "attribution", "metadata")
    return [name.removesuffix("_id") for name in names if getattr(before, name) != getattr(after, name)]


def _refuse(row: BatchRow, code: str, detail: str) -> None:
    row.state, row.error_code, row.error_detail = RowState.REFUSED, code, detail


def _undo_some(batch: Batch) -> bool:
    """The next images that the batch has made and that still have the source that it gave them."""
    done = batch.rows.select_related("image").filter(state=RowState.DONE).order_by("number")
    rows = list(done[:_STEP_ROWS])
    _remove(row.image for row in rows if row.made and row.image is not None and _is_ours(batch, row, row.image))
    BatchRow.objects.filter(pk__in=[row.pk for row in rows]).update(state=RowState.UNDONE)
    return len(rows) < _STEP_ROWS


def _is_beyond(batch: Batch, image: Image) -> bool:
    """Whether the token that sent the batch is limited to collections, of which this image is in none by now."""
    token = batch.token
    return token is not None and token.limited and not token.collections.filter(pk=image.collection_id or 0).exists()


def _is_ours(batch: Batch, row: BatchRow, image: Image) -> bool:
    """Whether it still has the source that the batch gave it, and lies where the batch may reach."""
    values = row.values
    return not _is_beyond(batch, image) and (image.store_id, image.key, image.url) == (
        values["store"],
        values["key"],
        values["url"],
    )


def _remove(images: Iterable[Image]) -> None:
    for image in list(images):
        identifier = image.identifier
        image.delete()
        transaction.on_commit(partial(forget_served_image, identifier))
