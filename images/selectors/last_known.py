"""Records and indexes as they were last read, kept in Redis for the time that the database is down.

A process that was started meanwhile knows them from there. Where there is no Redis, each process has what it remembers
itself. What is kept are the fields of the records as Django serialises them; credentials are no part of those.
"""

import logging

from django.core import serializers
from django.core.serializers.base import DeserializationError
from django.db import models

from caching.errors import CacheError
from caching.last_known import get_last_known
from images.models import Collection, Image, Profile, ServiceCopy, Store, Tiling

logger = logging.getLogger(__name__)

_RECORD, _INDEX = "record", "index"
_RELATIONS: dict[str, type[models.Model]] = {
    "collection": Collection,
    "profile": Profile,
    "tiling": Tiling,
    "service_copy": ServiceCopy,
}
_INDEX_FIELD = "index"


def remember_record(image: Image) -> None:
    """In the background; `image` has its relations loaded."""
    get_last_known().remember(_RECORD, image.identifier, lambda: _to_bytes(image))


def recall_record(identifier: str) -> Image | None:
    """The record with its relations, but without indexes, as it was last read by any process."""
    data = _find(_RECORD, identifier)
    try:
        image = None if data is None else _from_bytes(data)
        return None if image is None or is_buried(image.uuid.hex, otherwise=True) else image
    except (DeserializationError, ValueError, LookupError) as error:
        logger.warning("what was known of %s cannot be read: %s", identifier, error)
        return None


def forget_record(identifier: str) -> None:
    get_last_known().forget(_RECORD, identifier)


def bury_record(uuid: str) -> None:
    """The record is deleted: nobody recalls it any more, even where somebody who read it before writes it after."""
    get_last_known().bury(_RECORD, uuid)


def is_buried(uuid: str, *, otherwise: bool) -> bool:
    """Whether the record is known to be deleted; `otherwise`, where Redis does not say."""
    try:
        return get_last_known().is_buried(_RECORD, uuid)
    except CacheError as error:
        logger.warning("whether an image is deleted cannot be had: %s", error.detail)
        return otherwise


def remember_index(name: str, data: bytes) -> None:
    get_last_known().remember(_INDEX, name, lambda: data)


def recall_index(name: str) -> bytes | None:
    return _find(_INDEX, name)


def _find(kind: str, name: str) -> bytes | None:
    try:
        return get_last_known().find(kind, name)
    except CacheError as error:
        logger.warning("what was last known cannot be had: %s", error.detail)
        return None


def _to_bytes(image: Image) -> bytes:
    records = [image, *filter(None, (getattr(image, name, None) for name in _RELATIONS)), *_stores(image)]
    fields = {field.name for record in records for field in record._meta.concrete_fields}  # noqa: SLF001 - documented
    return str(serializers.serialize("json", records, fields=fields - {_INDEX_FIELD})).encode()


def _stores(image: Image) -> set[Store]:
    """Of the record and of what is served of it; mostly one."""
    owners = filter(None, (image, getattr(image, "tiling", None)))
    return {owner.store for owner in owners if owner.store is not None}


def _from_bytes(data: bytes) -> Image:
    """Raises DeserializationError, ValueError or LookupError."""
    found = [entry.object for entry in serializers.deserialize("json", data.decode(), ignorenonexistent=True)]
    image = next((record for record in found if isinstance(record, Image)), None)
    if image is None:
        raise LookupError("there is no image in it")
    for name, kind in _RELATIONS.items():
        related = next((record for record in found if isinstance(record, kind)), None)
        image._state.fields_cache[name] = related  # noqa: SLF001 - else a query would look for it
    stores = {record.pk: record for record in found if isinstance(record, Store)}
    tiling = getattr(image, "tiling", None)
    if tiling is not None and not tiling.key and not tiling.url:
        raise LookupError("it does not say which source was read: an older version of this program wrote it")
    for record in filter(None, (image, tiling)):
        record._state.fields_cache["store"] = stores.get(record.store_id)  # noqa: SLF001
    return image
