"""Registering images: a record in state pending, and a task that reads its source."""

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from images.conf import conf
from images.models import Image, ImageState, Store
from images.queue import enqueue
from images.selectors.images import forget_served_image
from images.services.stores import store_for_folder, store_for_uploads


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
        image_save(image, queue=queue)
    return Registration(image, changed=True)


def image_save(image: Image, *, queue: bool = True) -> None:
    """Save a record whose source is new or has moved, as pending, and queue its ingest. Raises ValidationError."""
    image.full_clean()
    _mark_pending(image)
    image.save()
    if queue:
        enqueue("images.ingest", image.pk)


def image_reingest(pk: int, *, queue: bool = True) -> None:
    """Read the source again, whatever its state; the version that is served stays until a new one is committed."""
    with transaction.atomic():
        image = Image.objects.select_for_update().get(pk=pk)
        _mark_pending(image)
        image.save()
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
