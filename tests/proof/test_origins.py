"""Origins that hang, hang up, lie or are gone: the right status, nothing wrong kept, nobody else disturbed."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from images.models import Image
from images.services.ingest import image_ingest
from images.services.ingest_sweeps import images_requeue_stalled
from images.services.registration import SourceReference, image_register, image_reingest
from tests.proof.conftest import BUCKET, Remote
from tests.proof.pictures import WAYS, textured
from tests.support import faults
from tests.support.faults import Misdeed

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = "128,128,256,256/256,256/0/default.png"
SECONDS = 0.6

MISDEEDS: dict[str, Misdeed] = {
    "hangs": faults.hang,
    "hangs in the body": faults.hang_in_body,
    "resets": faults.reset,
    "resets in the body": faults.reset_in_body,
    "closes in the body": faults.cut,
    "is short": faults.short,
    "lies about the length": faults.lie_about_length,
    "answers with a page": faults.html,
    "slows down": faults.slow_down,
    "fails": faults.refuse(500),
    "forbids": faults.refuse(403, "AccessDenied"),
    "has lost it": faults.refuse(404, "NoSuchKey"),
    "sends elsewhere": faults.redirect("/nowhere/at-all"),
}
STATUSES = {"forbids": {403, 502, 503}, "has lost it": {404}, "sends elsewhere": {404, 502}}
BROKEN = {502, 503, 504}
WHOLE = ("hangs in the body", "closes in the body", "is short", "answers with a page", "has lost it")
"""What can harm a copy of the whole source."""


@pytest.fixture(autouse=True)
def short_deadlines(settings: Any) -> None:
    settings.IIIF_FETCH_SECONDS = SECONDS
    settings.IIIF_STORE_READ_SECONDS = SECONDS / 2
    settings.IIIF_STORE_CONNECT_SECONDS = SECONDS / 2
    settings.IIIF_STORE_RETRY_SECONDS = SECONDS / 2
    settings.IIIF_STORE_RETRIES = 1


def ask(client: Client, identifier: str) -> tuple[int, bytes, Any]:
    response = client.get(f"/iiif/3/{identifier}/{REQUEST}")
    body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
    return response.status_code, bytes(body), response.headers


@pytest.mark.parametrize("strategy", ["stream", "cache", "memory"])
@pytest.mark.parametrize("kind", ["s3", "http"])
def test_whatever_an_origin_does_nothing_wrong_is_served_or_kept(remote: Remote, kind: str, strategy: str) -> None:
    store = remote.store(kind, strategy)
    images = {way: remote.add(store, write(textured(5)), f"{kind}-{strategy}.{way}") for way, write in WAYS.items()}
    reference = {way: ask(remote.client, image.identifier)[1] for way, image in images.items()}
    wrong: list[tuple[object, ...]] = []
    for number, name in enumerate(MISDEEDS if strategy == "stream" else WHOLE):
        way = list(WAYS)[number % len(WAYS)]
        identifier = images[way].identifier
        remote.chill()
        remote.origin.fail(MISDEEDS[name], f"{BUCKET}/{identifier}")
        status, body, headers = ask(remote.client, identifier)
        if status == 200:
            if body != reference[way]:
                wrong.append((name, way, "200 with other bytes"))
        elif status not in STATUSES.get(name, BROKEN):
            wrong.append((name, way, status, body[:200]))
        elif status in {503, 504} and "Retry-After" not in headers:
            wrong.append((name, way, status, "no Retry-After"))
        remote.origin.mend()
        if not _comes_back(remote, identifier, reference[way]):
            wrong.append((name, way, "does not heal"))
    assert wrong == []


def _comes_back(remote: Remote, identifier: str, reference: bytes) -> bool:
    """Within a few of the fractions of a second for which a failure is remembered."""
    for _ in range(20):
        status, body, _headers = ask(remote.client, identifier)
        if status == 200:
            return body == reference
        threading.Event().wait(0.02)
    return False


def test_a_source_that_never_was_an_image_fails_at_ingest_and_heals(remote: Remote) -> None:
    store = remote.store("s3")
    remote.origin.put(f"{BUCKET}/page.tif", faults.LOGIN_PAGE)
    image = image_register("page.tif", SourceReference(store=store, key="page.tif"), queue=False).image
    image_ingest(image.pk)
    image = Image.objects.get(pk=image.pk)
    assert (image.state, image.error_code, bool(image.error_detail)) == ("failed", "not_an_image", True)
    remote.origin.put(f"{BUCKET}/page.tif", WAYS["tif"](textured(1)))
    image_reingest(image.pk, queue=False)
    image_ingest(image.pk)
    assert Image.objects.get(pk=image.pk).state == "ready"
    assert ask(remote.client, "page.tif")[0] == 200


def test_an_image_whose_source_was_something_else_for_a_while_comes_back_by_itself(remote: Remote) -> None:
    image = remote.add(remote.store("s3"), WAYS["tif"](textured(1)), "shelf.tif")
    right = remote.origin.objects[f"{BUCKET}/shelf.tif"]
    remote.origin.put(f"{BUCKET}/shelf.tif", faults.LOGIN_PAGE)
    image_reingest(image.pk, queue=False)
    image_ingest(image.pk)
    image.refresh_from_db()
    assert (image.state, image.error_code) == ("failed", "not_an_image")
    remote.origin.objects[f"{BUCKET}/shelf.tif"] = right
    images_requeue_stalled()
    image.refresh_from_db()
    assert image.state == "failed", "it is not looked at every minute"
    Image.objects.update(state_changed=timezone.now() - timedelta(hours=2))
    images_requeue_stalled()
    image.refresh_from_db()
    assert image.state in {"ready", "pending"}
    image_ingest(image.pk)
    assert ask(remote.client, "shelf.tif")[0] == 200
