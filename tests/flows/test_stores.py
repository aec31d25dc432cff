"""Stores as administrators and requests meet them."""

import os
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client

from caching.sources.caches import get_source_caches
from images.models import Image, ImageState, Store, StoreTestState
from images.services.store_test import store_test
from images.services.stores import store_list, store_list_images
from tests.flows.conftest import gradient, png_bytes
from tests.support import faults
from tests.support.origin import Origin

pytestmark = pytest.mark.django_db


def wait_for_it(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "source-cache"
    get_source_caches.cache_clear()
    yield
    get_source_caches().objects.wait()
    get_source_caches.cache_clear()


def forget_sources(settings: Any, folder: Path) -> None:
    """As another machine, or this one after a while, which has nothing of the sources."""
    get_source_caches().objects.wait()
    settings.IIIF_SOURCE_CACHE_DIR = folder
    get_source_caches.cache_clear()


def bucket(objects: Origin, **fields: Any) -> Store:
    options = {"endpoint_url": objects.endpoint, "anonymous": True}
    return Store.objects.create(**{"name": "bucket", "kind": "s3", "root": "bucket", "options": options, **fields})


def test_a_store_that_works_is_said_to(objects: Origin) -> None:
    objects.put("bucket/a.png", png_bytes(gradient(60, 40)))
    objects.put("bucket/readme.txt", b"hello")
    store = bucket(objects)
    result = store_test(store)
    assert result.passed
    text = str(result)
    assert "Listing works: 2 objects." in text
    assert "a.png is there" in text
    assert "it is png" in text
    store.refresh_from_db()
    assert (store.test_state, store.test_detail) == (StoreTestState.PASSED, text)
    assert store.tested is not None


def test_a_store_that_does_not_work_says_why(objects: Origin, tmp_path: Path) -> None:
    objects.fail(faults.refuse(403, "AccessDenied"))
    out = StringIO()
    bucket(objects)
    with pytest.raises(SystemExit):
        call_command("test_store", "bucket", stdout=out)
    assert "✗ The store does not let this server in." in out.getvalue()
    assert Store.objects.get().test_state == StoreTestState.FAILED
    secret = tmp_path / "missing.json"
    result = store_test(bucket(objects, name="b", credentials=f"file:{secret}"))
    assert "The credentials of the store cannot be read." in str(result)
    folder = Store.objects.create(name="f", root=str(tmp_path / "nowhere"))
    assert "The folder cannot be listed." in str(store_test(folder))


def test_a_key_to_test_may_be_named(objects: Origin) -> None:
    objects.put("bucket/a.bin", b"\x00" * 100)
    store = bucket(objects)
    assert "name a key to read one" in str(store_test(store))
    assert "What was read is no image" in str(store_test(store, "a.bin"))
    assert "no such object" in str(store_test(store, "b.bin"))


def test_the_admin_tests_stores_and_shows_no_secret(
    objects: Origin, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGA_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("NGA_SECRET_ACCESS_KEY", "correct-horse-battery")
    store = bucket(objects, options={"endpoint_url": objects.endpoint}, credentials="env:NGA")
    objects.fail(lambda exchange: exchange.answer(403, b"<Error>correct-horse-battery</Error>"))
    address = "/admin/images/store/"
    answer = admin_client.post(address, {"action": "test_selected", "_selected_action": store.pk}, follow=True)
    page = answer.content.decode() + admin_client.get(f"{address}{store.pk}/change/").content.decode()
    assert "does not let this server in" in page
    assert "correct-horse-battery" not in page
    assert "env:NGA" in page


def test_only_superusers_touch_stores(client: Client, django_user_model: Any) -> None:
    staff = django_user_model.objects.create_user("staff", password="x", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="images"))
    store = Store.objects.create(name="f", root="/srv")
    client.force_login(staff)
    assert client.get("/admin/images/store/").status_code == 200
    assert client.get("/admin/images/store/add/").status_code == 403
    assert client.post(f"/admin/images/store/{store.pk}/change/", {"name": "g"}).status_code == 403
    assert client.post(f"/admin/images/store/{store.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_whole_bucket_is_ingested(objects: Origin, tmp_path: Path) -> None:
    for number in range(3):
        objects.put(f"bucket/maps/{number}.png", png_bytes(gradient(64, 48, number)))
    objects.put("bucket/maps/readme.txt", b"hello")
    objects.put("bucket/other.png", png_bytes(gradient(8, 8)))
    store = bucket(objects)
    assert len(store_list(store, "maps").sources) == 4
    assert list(store_list_images(store)) == ["maps/0.png", "maps/1.png", "maps/2.png", "other.png"]
    out = StringIO()
    call_command("ingest", "maps/", store="bucket", wait=True, stdout=out)
    assert "3 of 3 images indexed." in out.getvalue()
    assert set(Image.objects.values_list("identifier", "state")) == {
        (f"maps/{number}.png", ImageState.READY) for number in range(3)
    }


def test_a_tile_from_a_bucket(
    objects: Origin, client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    """One round and no HEAD; a replaced object is found out, and read again by a worker."""
    objects.put("bucket/a.png", png_bytes(gradient(64, 48)))
    bucket(objects)
    call_command("ingest", "a.png", store="bucket", wait=True, stdout=StringIO())
    objects.log.clear()
    forget_sources(settings, tmp_path / "anew")
    assert client.get("/iiif/3/a.png/0,0,32,32/max/0/default.png").status_code == 200
    assert {visit.method for visit in objects.log.visits()} == {"GET"}
    assert objects.log.rounds() == 1
    refreshed: list[Any] = []
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda *task: refreshed.append(task))
    objects.put("bucket/a.png", os.urandom(10))
    forget_sources(settings, tmp_path / "once more")
    assert client.get("/iiif/3/a.png/0,0,16,32/max/0/default.png").status_code == 503
    wait_for_it(lambda: refreshed == [("images.refresh", Image.objects.get().pk)])


def test_a_store_that_is_switched_off(objects: Origin, client: Client) -> None:
    objects.put("bucket/a.png", png_bytes(gradient(64, 48)))
    store = bucket(objects)
    call_command("ingest", "a.png", store="bucket", wait=True, stdout=StringIO())
    Store.objects.filter(pk=store.pk).update(is_enabled=False)
    answer = client.get("/iiif/3/a.png/0,0,32,32/max/0/default.png")
    assert (answer.status_code, answer.json()["error"]) == (503, "source_disabled")
