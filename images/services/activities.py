"""What the change feed is told: each change of what the public sees of an image, once.

Saving and deleting a record is noticed by signals; services that write past them (`QuerySet.update`) call
`activity_record` in their transaction.
"""

import hashlib
import json
from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from images.models import Activity, ActivityKind, Image

_PUBLIC = ("version", "identifier", "label", "rights", "attribution", "metadata", "max_width", "max_height", "max_area")


def activity_record(pk: int) -> None:
    """Note what has changed of an image since its last activity, if anything that the public sees."""
    image = Image.objects.filter(pk=pk).first()
    if image is not None:
        _record(image)


def _record(image: Image) -> None:
    if image.version == 0:
        return  # nobody has seen it yet
    last = Activity.objects.filter(uuid=image.uuid).order_by("-pk").first()
    digest = _digest(image)
    if last is not None and last.digest == digest:
        return
    if last is not None and last.identifier != image.identifier:
        # A manifest's address is made of the identifier: the old one is gone, another one begins.
        Activity.objects.create(kind=ActivityKind.DELETE, identifier=last.identifier, uuid=image.uuid)
        last = None
    kind = ActivityKind.CREATE if last is None or last.kind == ActivityKind.DELETE else ActivityKind.UPDATE
    Activity.objects.create(kind=kind, identifier=image.identifier, uuid=image.uuid, digest=digest)


def _digest(image: Image) -> str:
    facts = json.dumps([getattr(image, name) for name in _PUBLIC], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


@receiver(post_save, sender=Image, dispatch_uid="images.activities.saved")
def _saved(instance: Image, *, raw: bool = False, **_kwargs: Any) -> None:
    if not raw:
        _record(instance)


@receiver(post_delete, sender=Image, dispatch_uid="images.activities.deleted")
def _deleted(instance: Image, **_kwargs: Any) -> None:
    if instance.version:
        Activity.objects.create(kind=ActivityKind.DELETE, identifier=instance.identifier, uuid=instance.uuid)
