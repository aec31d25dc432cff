"""Collections and stores over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from images.models import Collection, CopyPolicy, Image, Store
from tests.flows.conftest import gradient, png_bytes
from tests.images.api.conftest import Caller, MakeCaller, make_collection, make_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(as_token: MakeCaller) -> Caller:
    return as_token("admin")


def test_a_collection_from_beginning_to_end(curator: Caller, store: Store) -> None:
    made = curator("POST", "collections/", {"name": "plates", "label": "Plates"})
    assert (made.status_code, made["Location"]) == (201, "http://testserver/api/v1/collections/plates/")
    make_image(store, "a", collection=Collection.objects.get())
    shown = curator("GET", "collections/plates/")
    assert (shown.json()["images"], shown.json()["service_copy_policy"]) == (1, "never")
    assert Client().get(shown.json()["manifest"].removeprefix("http://testserver")).status_code == 200
    changed = curator("PATCH", "collections/plates/", {"label": "x"}, headers={"If-Match": shown["ETag"]})
    assert changed.json()["label"] == "x"
    assert curator("PUT", "collections/plates/", {"name": "p"}, headers={"If-Match": shown["ETag"]}).status_code == 412
    assert curator("PUT", "collections/plates/", {"name": "p"}).json()["label"] == ""
    assert curator("DELETE", "collections/p/").status_code == 204
    assert Image.objects.get().collection is None


def test_another_policy_settles_the_copies(
    curator: Caller, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr("images.services.collections.enqueue", lambda *arguments: sent.append(arguments))
    plates = make_collection("plates")
    curator("PATCH", "collections/plates/", {"label": "x"})
    assert sent == []
    curator("PATCH", "collections/plates/", {"service_copy_policy": CopyPolicy.ON_INGEST})
    assert sent == [("images.service_copy_settle_collection", plates.pk)]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("collections/", {"name": "a b"}, "name"),
        ("collections/", {"label": "x"}, "name"),
        ("collections/", {"name": "taken"}, "name"),
        ("collections/", {"name": "x", "service_copy_policy": "y"}, "service_copy_policy"),
        ("collections/", {"name": "x", "images": 1}, "images"),
        ("stores/", {"name": "x", "kind": "tape"}, "kind"),
        ("stores/", {"name": "x", "root": "relative"}, "root"),
        ("stores/", {"name": "x", "kind": "http", "root": "ftp://x"}, "root"),
        ("stores/", {"name": "x", "root": "/srv", "options": {"a": 1}}, "options"),
        ("stores/", {"name": "x", "root": "/srv", "credentials": "hunter2"}, "credentials"),
        ("stores/", {"name": "x", "root": "/srv", "test_state": "passed"}, "test_state"),
    ],
)
def test_what_is_wrong_is_named(admin: Caller, path: str, body: dict[str, Any], field: str) -> None:
    make_collection("taken")
    response = admin("POST", path, body)
    assert response.status_code == 400, response.content
    assert field in [error["field"] for error in response.json()["errors"]]
    assert "hunter2" not in response.content.decode()


def test_a_store_from_beginning_to_end(admin: Caller, as_token: MakeCaller) -> None:
    body = {
        "name": "scans",
        "kind": "http",
        "root": "https://images.example.org/scans/",
        "credentials": "env:SCANS",
        "max_connections": 4,
    }
    assert admin("POST", "stores/", body).status_code == 201
    details = admin("GET", "stores/scans/").json()["details"]
    assert (details["root"], details["credentials"], details["max_connections"]) == (body["root"], "env:SCANS", 4)
    assert admin("PATCH", "stores/scans/", {"is_enabled": False}).json()["is_enabled"] is False
    seen = as_token("write", role="Curator")("GET", "stores/")
    assert [each["name"] for each in seen.json()["results"]] == ["scans"]
    assert "example.org" not in seen.content.decode()
    assert "SCANS" not in seen.content.decode()
    put = {name: body[name] for name in ("name", "kind", "root")}
    assert admin("PUT", "stores/scans/", put).json()["details"]["credentials"] == ""
    assert admin("DELETE", "stores/scans/").status_code == 204


def test_a_store_in_use_stays(admin: Caller, store: Store) -> None:
    make_image(store, "a")
    response = admin("DELETE", f"stores/{store.name}/")
    assert (response.status_code, response.json()["code"]) == (409, "in_use")


def test_the_store_of_uploads_is_left_alone(admin: Caller) -> None:
    Store.objects.create(name="uploads", root="/srv/uploads")
    for response in (
        admin("PATCH", "stores/uploads/", {"root": "/etc"}),
        admin("DELETE", "stores/uploads/"),
        admin("POST", "stores/", {"name": "uploads", "kind": "filesystem", "root": "/etc"}),
    ):
        assert response.status_code in (400, 409)
    assert Store.objects.get().root == "/srv/uploads"


def test_a_store_is_tried_out_and_listed(admin: Caller, curator: Caller, store: Store) -> None:
    for name in ("b/2.png", "a.png", "b/1.png"):
        path = Path(store.root) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png_bytes(gradient(20, 10)))
    tried = admin("POST", f"stores/{store.name}/test/", {"key": "a.png"}).json()
    assert tried["passed"], tried
    assert not admin("POST", f"stores/{store.name}/test/", {"key": "none.png"}).json()["passed"]
    assert admin("GET", f"stores/{store.name}/").json()["test_state"] == "failed"
    page = curator("GET", f"stores/{store.name}/objects/?limit=2").json()
    assert [each["key"] for each in page["objects"]] == ["a.png", "b/1.png"]
    rest = curator("GET", f"stores/{store.name}/objects/?cursor={page['cursor']}&prefix=b").json()
    assert ([each["key"] for each in rest["objects"]], rest["cursor"]) == (["b/2.png"], "")
    assert curator("GET", f"stores/{store.name}/objects/?prefix=none").json() == {"objects": [], "cursor": ""}
    assert curator("GET", f"stores/{store.name}/objects/?prefix=../..").status_code == 400
    assert curator("GET", f"stores/{store.name}/objects/?limit=0").status_code == 400
    Store.objects.update(is_enabled=False)
    assert curator("GET", f"stores/{store.name}/objects/").status_code == 409


def test_collections_take_as_many_queries_with_many(admin: Caller) -> None:
    def queries(count: int) -> int:
        Collection.objects.bulk_create(Collection(name=f"n{count}-{number}") for number in range(count))
        return count_queries(admin, "collections/?page_size=500")

    queries(1)
    assert queries(3) == queries(300) <= 12


def test_stores_take_as_many_queries_with_many(admin: Caller) -> None:
    def queries(count: int) -> int:
        Store.objects.bulk_create(Store(name=f"n{count}-{number}") for number in range(count))
        return count_queries(admin, "stores/?page_size=500")

    queries(1)
    assert queries(3) == queries(300) <= 12


def count_queries(caller: Caller, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert caller("GET", path).status_code == 200
    return len(captured)
