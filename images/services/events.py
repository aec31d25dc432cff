"""Notifications of object stores that sources have changed: bodies as S3, MinIO, SNS and EventBridge send them.

Parsing is pure. What a body asks for is only that sources are looked at, so one that is sent again does no harm.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from images.models import Image, Store, StoreKind
from images.queue import Queue, enqueue_many

_WRAPPINGS = 3


class EventError(ValueError):
    """The body is no notification; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class ChangedObject:
    """An object of a bucket that was written or removed."""

    bucket: str
    key: str


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether `signature` is the HMAC-SHA256 of the body in hexadecimal, with or without `sha256=` before it."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = signature.strip().lower().removeprefix("sha256=")
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def parse_events(body: bytes) -> tuple[ChangedObject, ...]:
    """The objects that a body names, each once, in its order. Raises EventError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventError("The body is not JSON.") from error
    return tuple(dict.fromkeys(_objects(document, _WRAPPINGS)))


def _objects(document: Any, wrappings: int) -> Iterator[ChangedObject]:
    if isinstance(document, list):
        for part in document:
            if isinstance(part, list):
                raise EventError("A list of notifications holds objects.")
            yield from _objects(part, wrappings)
        return
    if not isinstance(document, dict):
        raise EventError("A notification is a JSON object.")
    if "Records" in document:
        records = document["Records"]
        if not isinstance(records, list):
            raise EventError("Records is a list.")
        for record in records:
            yield from _record(record, wrappings)
    elif isinstance(document.get("Message"), str):  # SNS
        yield from _wrapped(document["Message"], wrappings)
    elif isinstance(document.get("detail"), dict):  # EventBridge, which does not encode keys
        yield _object(document["detail"], encoded=False)
    elif document.get("Event") != "s3:TestEvent":
        raise EventError("The body holds no notification of an object store.")


def _record(record: Any, wrappings: int) -> Iterator[ChangedObject]:
    if not isinstance(record, dict):
        raise EventError("A record is a JSON object.")
    notice = record.get("Sns")
    if isinstance(notice, dict) and isinstance(notice.get("Message"), str):
        yield from _wrapped(notice["Message"], wrappings)
    elif isinstance(record.get("body"), str):  # SQS
        yield from _wrapped(record["body"], wrappings)
    elif isinstance(record.get("s3"), dict):
        yield _object(record["s3"], encoded=True)
    else:
        raise EventError("A record names no object.")


def _wrapped(text: str, wrappings: int) -> Iterator[ChangedObject]:
    if wrappings == 0:
        raise EventError("The notification is wrapped too often.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EventError("The message in the notification is not JSON.") from error
    yield from _objects(document, wrappings - 1)


def _object(part: dict[str, Any], *, encoded: bool) -> ChangedObject:
    bucket, thing = part.get("bucket"), part.get("object")
    name = bucket.get("name") if isinstance(bucket, dict) else None
    key = thing.get("key") if isinstance(thing, dict) else None
    if not isinstance(name, str) or not isinstance(key, str) or not name or not key:
        raise EventError("A record names no bucket and key.")
    return ChangedObject(name, unquote_plus(key) if encoded else key)


def events_apply(objects: tuple[ChangedObject, ...]) -> int:
    """Have the images looked at whose sources these objects are. Returns how many there are."""
    wanted: set[int] = set()
    for store in Store.objects.filter(kind=StoreKind.S3):
        keys = [key for each in objects if (key := key_in_store(store.root, each)) is not None]
        if keys:
            wanted.update(Image.objects.filter(store=store, key__in=keys).values_list("pk", flat=True))
    enqueue_many("images.refresh", [(pk,) for pk in sorted(wanted)], queue=Queue.INGEST)
    return len(wanted)


def key_in_store(root: str, changed: ChangedObject) -> str | None:
    """The key of an object below the root of a store (a bucket, with or without a prefix); None where it is elsewhere.

    >>> key_in_store("scans/maps", ChangedObject("scans", "maps/a.tif"))
    'a.tif'
    """
    bucket, _, prefix = root.removeprefix("s3://").strip("/").partition("/")
    prefix = f"{prefix}/" if prefix else ""
    if changed.bucket != bucket or not changed.key.startswith(prefix):
        return None
    return changed.key.removeprefix(prefix) or None
