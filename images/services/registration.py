"""Registering images: a record in state pending, and a task that reads its source."""

import os
import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from images.conf import conf
from images.models import Image, ImageState, Store
from images.queue import enqueue
from images.selectors.images import forget_served_image
from images.services.stores import UPLOADS, store_for_folder, store_for_uploads

_ORPHAN_SECONDS = 86_400  # longer than any upload and its registration take


_SOURCE_FIELDS = ("store", "key", "url")
_PENDING_FIELDS = (
    "state",
    "state_changed",
    "attempts",
    "decoder_deaths",
    "error_code",
    "error_detail",
    "error_technical",
)


@dataclass(frozen=True, slots=True)
class SourceReference:
    """Where a source lies: a store and a key below its root, or a URL."""

    store: Store | None = None
    key: str = ""
    url: str = ""


class IdentifierTakenError(ValueError):
    """The identifier is registered with another source."""


class UploadTooLargeError(ValueError):
    """The upload is larger than IIIF_UPLOAD_MAX_BYTES."""


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
    queue: bool = True,
    **fields: Any,
) -> Registration:
    """Register `source` under `identifier` and queue its ingest.

    `fields`: label, rights, attribution, metadata, collection.

    The same identifier with the same source again changes nothing. Raises ValidationError naming each wrong field, and
    IdentifierTakenError for another source, unless `replace` is set: then the image is ingested anew from there.
    """
    try:
        return _register(identifier, source, fields, replace=replace, queue=queue)
    except IntegrityError:  # somebody else registered it in this moment: now it is there
        return _register(identifier, source, fields, replace=replace, queue=queue)


def _register(
    identifier: str, source: SourceReference, fields: Mapping[str, Any], *, replace: bool, queue: bool
) -> Registration:
    with transaction.atomic():
        image = Image.objects.select_for_update().filter(identifier=identifier).first()
        if image is not None and _has_source(image, source):
            return Registration(image, changed=False)
        if image is not None and not replace:
            raise IdentifierTakenError(f"The identifier {identifier!r} is taken by another source.")
        image = image or Image(identifier=identifier)
        image.store, image.key, image.url = source.store, source.key, source.url
        for name, value in fields.items():
            setattr(image, name, value)
        image.full_clean(validate_unique=False)
        image_save(image, {*_SOURCE_FIELDS, *fields}, queue=queue)
    return Registration(image, changed=True)


def image_save(image: Image, changed: Collection[str], *, queue: bool = True) -> None:
    """Save the `changed` fields of a record; where its source is among them, or it is new, queue its ingest.

    Nothing else is written: an instance that was read a while ago must not put back the version that a worker has
    committed meanwhile.
    """
    is_new = image._state.adding  # noqa: SLF001 - Django documents it
    moved = is_new or not {*_SOURCE_FIELDS}.isdisjoint(changed)
    written = {*changed, "modified"}
    if moved:
        _mark_pending(image)
        written |= {*_PENDING_FIELDS}
    image.save(update_fields=None if is_new else written)
    if moved and queue:
        enqueue("images.ingest", image.pk)
    transaction.on_commit(partial(forget_served_image, image.identifier))


def image_reingest(pk: int, *, queue: bool = True) -> None:
    """Read the source again, whatever its state; the version that is served stays until a new one is committed."""
    with transaction.atomic():
        image = Image.objects.select_for_update().get(pk=pk)
        _mark_pending(image)
        image.save(update_fields={*_PENDING_FIELDS, "modified"})
        if queue:
            enqueue("images.ingest", pk)
    forget_served_image(image.identifier)


def _mark_pending(image: Image) -> None:
    image.state = ImageState.PENDING
    image.state_changed = timezone.now()
    image.attempts = 0
    image.decoder_deaths = 0
    image.error_code = image.error_detail = image.error_technical = ""


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
        (Path(source.store.root) / source.key).unlink(missing_ok=True)


def uploads_sweep() -> int:
    """Remove uploads of more than a day ago that no record names: replaced, deleted, or left by a crash.

    Returns how many.
    """
    root = conf.upload_dir
    known = set(Image.objects.filter(store__name=UPLOADS).values_list("key", flat=True))
    before = time.time() - _ORPHAN_SECONDS
    removed = 0
    for path in root.iterdir() if root.is_dir() else ():
        if path.is_file() and path.name not in known and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def upload_store(chunks: Iterable[bytes], file_name: str) -> SourceReference:
    """Keep uploaded bytes under a name of our own. Raises UploadTooLargeError; nothing is left behind then."""
    store = store_for_uploads()
    suffix = PurePosixPath(file_name).suffix.lower()
    key = f"{uuid.uuid4().hex}{suffix if suffix[1:].isalnum() and suffix.isascii() else ''}"
    target = Path(store.root) / key
    partial = target.with_name(f".{key}.part")
    try:
        with partial.open("xb") as file:
            written = 0
            for chunk in chunks:
                written += len(chunk)
                if written > conf.upload_max_bytes:
                    raise UploadTooLargeError(f"The upload is larger than {conf.upload_max_bytes:,} bytes.")
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return SourceReference(store=store, key=key)


def validation_messages(error: ValidationError) -> str:
    """All messages of a validation error in one line, each with its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    messages: Mapping[str, list[str]] = error.message_dict
    return " ".join(
        text if field == "__all__" else f"{field}: {text}" for field, texts in messages.items() for text in texts
    )
