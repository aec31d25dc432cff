"""Changing records of images under a precondition, so that nobody overwrites what they have not seen."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from images.models import Image
from images.selectors.images import ImageNotFoundError, forget_served_image
from images.selectors.records import record_etag
from images.services.audit import image_note_deleted
from images.services.registration import (
    SOURCE_FIELDS,
    IdentifierTakenError,
    SourceReference,
    image_register,
    image_save,
    upload_discard,
)
from images.services.stores import UPLOADS
from images.services.uploads import uploads_are_equal

_NAMESPACE = uuid.UUID("5b0c1ce0-6d6f-4b57-9c65-3d1c0a4ab3f4")

Expectation = Callable[[str | None], None]
"""Gets the ETag of the record as it is, or None where there is none; raises unless the caller expects just that."""


def expect_anything(_etag: str | None) -> None:
    """No precondition."""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """The record as it is now; `created` it was new, `moved` it was given another source, and is read anew.

    `fields`: the names of those that have another value than before, of a record that was there.
    """

    image: Image
    created: bool
    moved: bool
    fields: frozenset[str] = frozenset()


def source_identifier(source: SourceReference) -> str:
    """The identifier of an image for which nobody chose one: the same for the same source."""
    name = source.url or f"{source.store.name if source.store else ''}\n{source.key}"
    return uuid.uuid5(_NAMESPACE, name).hex


def image_put(
    records: QuerySet[Image],
    identifier: str,
    source: SourceReference,
    fields: Mapping[str, Any],
    expectation: Expectation = expect_anything,
) -> RecordChange:
    """Make the record what is said here, whether or not it was there. `records` are those that may be changed.

    Raises ValidationError naming each wrong field, IdentifierTakenError, and what `expectation` raises.
    """
    try:
        return image_update(records, identifier, fields, source=source, expectation=expectation)
    except ImageNotFoundError:
        expectation(None)
    return image_create(records, identifier, source, fields)


def image_create(
    records: QuerySet[Image], identifier: str, source: SourceReference, fields: Mapping[str, Any]
) -> RecordChange:
    """Register an image, or find it registered with this very source among `records`. Raises as `image_put`."""
    registration = image_register(identifier, source, **fields)
    if not registration.changed and not records.filter(pk=registration.image.pk).exists():
        raise IdentifierTakenError(f"The identifier {identifier!r} is taken.")
    return RecordChange(registration.image, created=registration.changed, moved=registration.changed)


def image_update(
    records: QuerySet[Image],
    identifier: str,
    fields: Mapping[str, Any],
    *,
    source: SourceReference | None = None,
    expectation: Expectation = expect_anything,
) -> RecordChange:
    """Change `fields` of a record and, where it differs, its source. Raises ImageNotFoundError and as `image_put`."""
    with transaction.atomic():
        image = _locked(records, identifier)
        expectation(record_etag(image))
        changed = {name for name, value in fields.items() if getattr(image, name) != value}
        for name in changed:
            setattr(image, name, fields[name])
        if source is not None:
            source = _settled(image, source)
        moved = source is not None and not image_has_source(image, source)
        if moved and source is not None:
            image.store, image.key, image.url = source.store, source.key, source.url
            changed |= SOURCE_FIELDS
        if changed:
            image.full_clean(validate_unique=False)
            image_save(image, changed)
    return RecordChange(image, created=False, moved=moved, fields=frozenset(changed))


def image_delete(
    records: QuerySet[Image], identifier: str, expectation: Expectation = expect_anything, *, user: Any = None
) -> None:
    """Remove a record, by `user`; its upload and its derivatives are swept later. Raises ImageNotFoundError."""
    with transaction.atomic():
        image = _locked(records, identifier)
        expectation(record_etag(image))
        image_note_deleted(user, image)
        image.delete()
        transaction.on_commit(lambda: forget_served_image(identifier))


def image_has_source(image: Image, source: SourceReference) -> bool:
    store_id = source.store.pk if source.store else None
    return (image.store_id, image.key, image.url) == (store_id, source.key, source.url)


def upload_settle(identifier: str, source: SourceReference) -> SourceReference:
    """The same upload once more is the same source: then the new copy of its bytes goes."""
    image = Image.objects.select_related("store").filter(identifier=identifier).first()
    return source if image is None else _settled(image, source)


def _settled(image: Image, source: SourceReference) -> SourceReference:
    current = SourceReference(image.store, image.key, image.url)
    are_uploads = all(each.store is not None and each.store.name == UPLOADS for each in (current, source))
    if are_uploads and current.key != source.key and uploads_are_equal(current.key, source.key):
        upload_discard(source)
        return current
    return source


def _locked(records: QuerySet[Image], identifier: str) -> Image:
    image = records.select_for_update().filter(identifier=identifier).first()
    if image is None:
        raise ImageNotFoundError(f"There is no image {identifier!r}.")
    return image
