"""Notifications of object stores: every wrapping gives the same objects, and nothing else is believed."""

import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from images.models import Image, OutboxEntry, Store, StoreKind
from images.services.events import ChangedObject, EventError, is_signed, key_in_store, parse_events
from tests.support.examples import dear

SECRET = "a secret of the two parties"
ADDRESS = "/api/v1/events/s3/"
names = st.text(min_size=1, max_size=30).filter(lambda text: max(text) < "\ud800" or min(text) > "\udfff")
objects = st.builds(ChangedObject, names, names)


def s3(*changed: ChangedObject) -> dict[str, Any]:
    records = [
        {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": one.bucket}, "object": {"key": quote_plus(one.key)}},
        }
        for one in changed
    ]
    return {"EventName": "s3:ObjectCreated:Put", "Key": "for/people", "Records": records}


def bridge(changed: ChangedObject) -> dict[str, Any]:
    detail = {"bucket": {"name": changed.bucket}, "object": {"key": changed.key, "etag": "e"}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


@dear
@given(st.lists(objects, max_size=5, unique=True))
def test_every_wrapping_gives_the_same_objects(changed: list[ChangedObject]) -> None:
    plain = s3(*changed)
    notice = {"Type": "Notification", "Message": json.dumps(plain)}
    wrapped = [
        plain,
        [plain, plain],
        notice,
        {"Records": [{"Sns": notice}]},
        {"Records": [{"body": json.dumps(notice)}]},
    ]
    for document in wrapped:
        assert parse_events(json.dumps(document).encode()) == tuple(changed)
    assert parse_events(json.dumps([bridge(one) for one in changed]).encode()) == tuple(changed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "s3", "bucket", "object", "name", "key", "Message", "detail", "Sns", "body"]),
            inner,
        )
    ),
    max_leaves=20,
)


@dear
@given(json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50))
def test_nothing_else_does_harm(body: bytes) -> None:
    found: tuple[ChangedObject, ...] = ()
    with suppress(EventError):
        found = parse_events(body)
    assert all(one.bucket and one.key for one in found)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(EventError):
        parse_events(b"[" * 100_000)


def test_a_test_event_names_nothing() -> None:
    assert parse_events(b'{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "scans"}') == ()


@pytest.mark.parametrize(
    ("root", "bucket", "key", "found"),
    [
        ("scans", "scans", "a b/ü.tif", "a b/ü.tif"),
        ("scans/maps/", "scans", "maps/a.tif", "a.tif"),
        ("scans/maps", "scans", "mapsa.tif", None),
        ("scans/maps", "scans", "maps/", None),
        ("scans", "scans2", "a.tif", None),
    ],
)
def test_keys_below_a_root(root: str, bucket: str, key: str, found: str | None) -> None:
    assert key_in_store(root, ChangedObject(bucket, key)) == found


@given(st.binary(max_size=40), st.text(max_size=70))
def test_only_the_right_signature_is_taken(body: bytes, other: str) -> None:
    right = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert is_signed(body, right, SECRET)
    assert is_signed(body, f"sha256={right}", SECRET)
    assert is_signed(body, other, SECRET) is (other.strip().lower().removeprefix("sha256=") == right)
    assert not is_signed(body + b" ", right, SECRET)


def _post(client: Client, body: bytes, secret: str = SECRET) -> Any:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return client.post(ADDRESS, body, content_type="application/json", headers={"X-Signature": signature})


@pytest.mark.django_db
def test_the_images_of_an_object_are_looked_at(client: Client, settings: Any) -> None:
    settings.IIIF_EVENTS_SECRET = SECRET
    store = Store.objects.create(name="bucket", kind=StoreKind.S3, root="scans/maps")
    Store.objects.create(name="other", kind=StoreKind.S3, root="others")
    image = Image.objects.create(identifier="map", store=store, key="Über 1.tif")
    Image.objects.create(identifier="unchanged", store=store, key="2.tif")
    body = json.dumps(s3(ChangedObject("scans", "maps/Über 1.tif"), ChangedObject("elsewhere", "x"))).encode()
    for _time in range(2):
        response = _post(client, body)
        assert (response.status_code, response.json()) == (202, {"objects": 2, "images": 1})
    assert [entry.arguments for entry in OutboxEntry.objects.filter(task="images.refresh")] == [[image.pk]] * 2


@pytest.mark.django_db
def test_strangers_are_refused(client: Client, settings: Any) -> None:
    body = json.dumps(s3(ChangedObject("scans", "a"))).encode()
    assert _post(client, body).status_code == 404
    settings.IIIF_EVENTS_SECRET = SECRET
    refused = _post(client, body, "another secret of somebody")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert client.post(ADDRESS, body, content_type="application/json").status_code == 403
    assert client.get(ADDRESS).status_code == 405
    assert _post(client, b"{}").status_code == 400
    assert _post(client, b"x" * 1_048_577).status_code == 413
    assert not OutboxEntry.objects.exists()
