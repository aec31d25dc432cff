"""Changing collections."""

from collections.abc import Collection as SetOf

from django.db import transaction

from images.models import Collection
from images.queue import enqueue


def collection_save(collection: Collection, changed: SetOf[str]) -> None:
    """Save a collection; where its policy is among what was `changed`, its images follow."""
    is_new = collection._state.adding  # noqa: SLF001 - Django documents it
    with transaction.atomic():
        collection.save()
        if not is_new and "service_copy_policy" in changed:
            enqueue("images.service_copy_settle_collection", collection.pk)


def collection_delete(collection: Collection) -> None:
    """Its images stay, without a collection; their service copies follow."""
    with transaction.atomic():
        orphans = list(collection.images.filter(service_copy__isnull=False).values_list("pk", flat=True))
        collection.delete()
        for pk in orphans:
            enqueue("images.service_copy_settle", pk)
