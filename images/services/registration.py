"""Registering images: a record in state pending, and a task that reads its source."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from images.conf import conf
from images.models import Image, ImageState, Store, Tiling
from images.queue import Queue, enqueue
from images.selectors.images import forget_served_image
from images.services import upload_storage
from images.services.stores import UPLOADS, store_for_folder, store_for_uploads
from images.services.uploads import UploadSink

_ORPHAN_SECONDS = 86_400  # longer than any upload and its registration take


NO_FACTS = {"width": None, "height": None, "source_format": "", "source_byte_size": None}
"""Of an image that nothing is shown of."""
SOURCE_FIELDS = frozenset({"store", "key", "url"})
_PENDING_FIELDS = (
    "state",
    "state_changed",
    "attempts",
    "decoder_deaths",
    "error_code",
    "error_detail",
    "error_technical",
    "quarantined_etag",
)


@dataclass(frozen=True, slots=True)
class SourceReference:
    """Where a source lies: a store and a key below its root, or a URL."""

    store: Store | None = None
    key: str = ""
    url: str = ""


class IdentifierTakenError(ValueError):
    """The identifier is registered with another source."""


class NothingToRestoreError(ValueError):
    """No earlier source is shown than the one that the record names."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The record, and whether it was made or given another source (False: it was there just so)."""

    image: Image
    changed: bool


def image_register(
    identifier: str,
    source: SourceReference,
    *,
    replace: bool = False,
    queue: bool | Queue = True,
    **fields: Any,
) -> Registration:
    """Register `source` under `identifier` and queue its ingest, in a certain queue where `queue` names one.

    `fields`: label, rights, attribution, metadata, collection.

    The same identifier with the same source again changes nothing. Raises ValidationError naming each wrong field, and
    IdentifierTakenError for another source, unless `replace` is set: then the image is ingested anew from there.
    """
    try:
        return _register(identifier, source, fields, replace=replace, queue=queue)
    except IntegrityError:  # somebody else registered it in this moment: now it is there
        return _register(identifier, source, fields, replace=replace, queue=queue)


def _register(
    identifier: str, source: SourceReference, fields: Mapping[str, Any], *, replace: bool, queue: bool | Queue
) -> Registration:
    with transaction.atomic():
        image = _locked(identifier)
        if image is not None and _has_source(image, source):
            return Registration(image, changed=False)
        if image is not None and not replace:
            text = _("The identifier %(identifier)r is taken by another source.")
            raise IdentifierTakenError(text % {"identifier": identifier})
        image = image or Image(identifier=identifier)
        image.store, image.key, image.url = source.store, source.key, source.url
        for name, value in fields.items():
            setattr(image, name, value)
        image.full_clean(validate_unique=False)
        image_save(image, {*SOURCE_FIELDS, *fields}, queue=queue)
    return Registration(image, changed=True)


def _locked(identifier: str) -> Image | None:
    if "\x00" in identifier:
        return None  # no record has such a name, and PostgreSQL refuses the question
    return Image.objects.select_for_update().filter(identifier=identifier).first()


def image_save(image: Image, changed: Collection[str], *, queue: bool | Queue = True) -> None:
    """Save the `changed` fields of a record; where its source is among them, or it is new, queue its ingest.

    Nothing else is written: an instance that was read a while ago must not put back the version that a worker has
    committed meanwhile.
    """
    is_new = image._state.adding  # noqa: SLF001 - Django documents it
    moved = is_new or not SOURCE_FIELDS.isdisjoint(changed)
    was_quarantined = moved and not is_new and Image.objects.filter(pk=image.pk, error_code="quarantined").exists()
    written = {*changed, "modified"}
    if moved:
        image_mark_pending(image)
        written |= {*_PENDING_FIELDS}
    image.save(update_fields=None if is_new else written)
    if was_quarantined:  # what is in quarantine does not come back because another source was named
        _withdraw_tiling(image.pk)
    if moved and queue:
        enqueue("images.ingest", image.pk, queue=queue if isinstance(queue, Queue) else None)
    if not is_new and not {"service_copy_policy", "collection"}.isdisjoint(changed):
        enqueue("images.service_copy_settle", image.pk)
    transaction.on_commit(partial(forget_served_image, image.identifier))


def image_reingest(pk: int, *, queue: bool | Queue = True) -> None:
    """Read the source again, whatever its state; the version that is served stays until a new one is committed."""
    with transaction.atomic():
        image = Image.objects.select_for_update().get(pk=pk)
        image_mark_pending(image)
        image.save(update_fields={*_PENDING_FIELDS, "modified"})
        if queue:
            enqueue("images.ingest", pk, queue=queue if isinstance(queue, Queue) else None)
    forget_served_image(image.identifier)


def image_restore_source(pk: int) -> Image:
    """Take back a replacement: the record names again the source that is still shown.

    That was read already, so the image is ready at once, in the same version; whether it has changed meanwhile is
    looked at later. Raises NothingToRestoreError.
    """
    with transaction.atomic():
        images = Image.objects.select_related("tiling", "tiling__store").defer("tiling__index")
        image = images.select_for_update(of=("self",)).get(pk=pk)
        if not image.shows_earlier_source:
            raise NothingToRestoreError("There is no earlier source to go back to.")
        image_mark_pending(image)
        image.state = ImageState.READY
        image.store, image.key, image.url = image.tiling.store, image.tiling.key, image.tiling.url
        image.save(update_fields={*_PENDING_FIELDS, *SOURCE_FIELDS, "modified"})
        enqueue("images.refresh", pk)
    forget_served_image(image.identifier)
    return image


def earlier_source_withdraw(pk: int, version: int) -> bool:
    """Show nothing any more until the new source has been read; False where `version` shows no earlier one any more."""
    with transaction.atomic():
        images = Image.objects.select_related("tiling").defer("tiling__index").select_for_update(of=("self",))
        image = images.filter(pk=pk, version=version).first()
        if image is None or not image.shows_earlier_source:
            return False
        _withdraw_tiling(pk)
    return True


def _withdraw_tiling(pk: int) -> None:
    with transaction.atomic():
        Image.objects.filter(pk=pk).update(**NO_FACTS)
        Tiling.objects.filter(image_id=pk).delete()


def image_mark_pending(image: Image) -> None:
    """Set the fields of an instance that is to be read, or read again; nothing is saved."""
    image.state = ImageState.PENDING
    image.state_changed = timezone.now()
    image.attempts = 0
    image.decoder_deaths = 0
    image.error_code = image.error_detail = image.error_technical = image.quarantined_etag = ""


def _has_source(image: Image, source: SourceReference) -> bool:
    store_id = source.store.pk if source.store else None
    return (image.store_id, image.key, image.url) == (store_id, source.key, source.url)


def register_local(path: Path, identifier: str, **fields: Any) -> Registration:
    """Register a file of this machine from where it lies; what it held before under this identifier is replaced."""
    path = path.resolve()
    source = SourceReference(store=store_for_folder(path.parent), key=path.name)
    return image_register(identifier, source, replace=True, **fields)


def upload_discard(source: SourceReference) -> None:
    """Remove an upload that no record names after all."""
    if source.store is not None:
        upload_storage.discard(source.store, source.key)


def uploads_sweep() -> int:
    """Remove uploads of more than a day ago that no record names and none shows: replaced, deleted, left by a crash.

    Returns how many.
    """
    root = conf.upload_dir
    known = {
        key
        for model in (Image, Tiling)
        for key in model.objects.filter(store__name=UPLOADS).values_list("key", flat=True)
    }
    before = time.time() - _ORPHAN_SECONDS
    removed = 0
    for path in root.iterdir() if root.is_dir() else ():
        if path.is_file() and path.name not in known and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    for name in [*upload_storage.old_uploads(_ORPHAN_SECONDS)] if upload_storage.is_elsewhere() else ():
        if name not in known:
            upload_storage.discard(store_for_uploads(), name)
            removed += 1
    return removed


def upload_store(chunks: Iterable[bytes], file_name: str, *, sniffed: bool = False) -> SourceReference:
    """Keep uploaded bytes under a name of our own; with `sniffed`, only those of something that may be read.

    Raises UploadTooLargeError, UploadNotAnImageError; nothing is left behind then.
    """
    sink = UploadSink(file_name, sniffed=sniffed)
    try:
        for chunk in chunks:
            sink.write(chunk)
        sink.finish()
    except BaseException:
        sink.discard()
        raise
    return SourceReference(store=sink.store, key=sink.key)


def validation_messages(error: ValidationError) -> str:
    """All messages of a validation error in one line, each with its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    messages: Mapping[str, list[str]] = error.message_dict
    return " ".join(
        text if field == "__all__" else f"{field}: {text}" for field, texts in messages.items() for text in texts
    )
