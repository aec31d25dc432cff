"""Who did what to an image, in the log of the admin: what comes by REST and by jobs stands beside its own."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import translation
from django.utils.text import capfirst

from images.models import Image

_LABEL = 200
"""Characters that the log has for the name of what was changed."""


def image_note_added(user: Any, image: Image) -> None:
    images_note_added(user, [image])


def images_note_added(user: Any, images: Iterable[Image]) -> None:
    """All of them in one query."""
    if _is_somebody(user):
        LogEntry.objects.bulk_create(_entry(user, image, ADDITION, [{"added": {}}]) for image in images)


def image_note_changed(user: Any, image: Image, fields: Iterable[str]) -> None:
    """`fields` by their names in the model; nothing is noted where there are none."""
    with translation.override(None):  # the log is written in English and translated when it is read
        known = {field.name: field for field in Image._meta.fields}  # noqa: SLF001 - Django documents it
        names = sorted(capfirst(str(known[name].verbose_name)) for name in fields)
    if names:
        _note(user, image, CHANGE, [{"changed": {"fields": names}}])


def image_note_deleted(user: Any, image: Image) -> None:
    """To be called while the record still has its key."""
    _note(user, image, DELETION, "")


def image_note_action(user: Any, image: Image, action: str) -> None:
    """Something that changes no field of the record: `action` is a word such as "reingest"."""
    _note(user, image, CHANGE, action)


def _note(user: Any, image: Image, flag: int, message: list[dict[str, Any]] | str) -> None:
    if _is_somebody(user):
        _entry(user, image, flag, message).save()


def _is_somebody(user: Any) -> bool:
    """What the server does by itself is nobody's deed."""
    return user is not None and user.is_authenticated


def _entry(user: Any, image: Image, flag: int, message: list[dict[str, Any]] | str) -> LogEntry:
    return LogEntry(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(Image),
        object_id=str(image.pk),
        object_repr=str(image)[:_LABEL],
        action_flag=flag,
        change_message=message if isinstance(message, str) else json.dumps(message),
    )
