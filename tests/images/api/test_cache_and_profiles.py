"""Caches and compliance profiles over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from images.models import Profile, Store
from images.services.decoding import close_runner
from tests.flows.conftest import gradient, png_bytes
from tests.images.api.conftest import Caller, MakeCaller, make_collection, make_image, source

pytestmark = pytest.mark.django_db(transaction=True)

TILE = "/iiif/3/a/full/30,/0/default.png"


@pytest.fixture(autouse=True)
def _runner() -> Iterator[None]:
    yield
    close_runner()


@pytest.fixture
def purger(as_token: MakeCaller) -> Caller:
    return as_token("purge")


@pytest.fixture
def kept(curator: Caller, store: Store) -> None:
    """An image `a` in a collection, of which something is in the cache."""
    make_collection("plates")
    (Path(store.root) / "a.png").write_bytes(png_bytes(gradient(60, 40)))
    curator("POST", "images/", {"identifier": "a", "source": source(store, "a.png"), "collection": "plates"})
    assert b"".join(Client().get(TILE)).startswith(b"\x89PNG")


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("scope", [{"scope": "identifier", "identifier": "a"}])
def test_a_dry_run_tells_what_a_purge_frees(purger: Caller, scope: dict[str, Any]) -> None:
    would = purger("POST", "cache/purge/", {**scope, "dry_run": True}).json()
    assert would["images"] == 1
    assert would["bytes"] > 0
    freed = purger("POST", "cache/purge/", scope).json()
    assert freed["bytes"] >= would["bytes"]  # folders that became empty go as well
    assert purger("POST", "cache/purge/", {**scope, "dry_run": True}).json()["bytes"] == 0


@pytest.mark.usefixtures("kept")
def test_larger_purges_are_jobs(purger: Caller, store: Store) -> None:
    for scope in ({"scope": "collection", "collection": "plates"}, {"scope": "source", "store": store.name}):
        would = purger("POST", "cache/purge/", {**scope, "dry_run": True}).json()
        answer = purger("POST", "cache/purge/", scope)
        assert answer.status_code == 202
        job = purger("GET", answer["Location"].removeprefix("http://testserver")).json()
        assert job["state"] == "done"
        assert job["detail"]["bytes"] >= would["bytes"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "everything"}, "scope"),
        ({"scope": "identifier"}, "identifier"),
        ({"scope": "source"}, "store"),
        ({"scope": "all", "identifier": "a"}, "identifier"),
        ({"scope": "collection", "collection": "x", "prefix": "y"}, "prefix"),
        ({"scope": "all", "dryrun": True}, "dryrun"),
    ],
)
def test_purges_that_make_no_sense_are_refused(purger: Caller, body: dict[str, Any], field: str) -> None:
    response = purger("POST", "cache/purge/", body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_limited_token_purges_its_collection_only(as_token: MakeCaller, store: Store) -> None:
    plates = make_collection("plates")
    make_collection("maps")
    make_image(store, "mine", collection=plates)
    make_image(store, "other")
    caller = as_token("purge", collections=[plates])
    asked = {
        200: [{"scope": "identifier", "identifier": "mine"}, {"scope": "collection", "collection": "plates"}],
        403: [
            {"scope": "all"},
            {"scope": "source", "store": store.name},
            {"scope": "collection", "collection": "maps"},
        ],
        404: [{"scope": "identifier", "identifier": "other"}],
    }
    for status, bodies in asked.items():
        for body in bodies:
            assert caller("POST", "cache/purge/", {**body, "dry_run": True}).status_code == status, body


@pytest.mark.usefixtures("kept")
def test_the_caches_tell_what_they_hold(as_token: MakeCaller) -> None:
    facts = as_token("read")("GET", "cache/").json()
    assert facts["usage"]["budget"]["bytes"] > 0
    assert set(facts) == {"usage", "processes", "hit_share", "answers", "events", "sources", "top"}


def test_a_profile_from_beginning_to_end(as_token: MakeCaller, curator: Caller, store: Store) -> None:
    admin = as_token("admin")
    body = {"name": "small", "max_width": 500, "formats": ["jpg"]}
    made = admin("POST", "profiles/", body)
    assert made.status_code == 201, made.content
    assert admin("POST", "profiles/", {"name": "x", "formats": ["bmp"]}).json()["errors"][0]["field"] == "formats"
    assert admin("POST", "profiles/", {"name": "x", "max_height": 5}).status_code == 400
    (Path(store.root) / "a.png").write_bytes(png_bytes(gradient(60, 40)))
    new = {"identifier": "a", "source": source(store, "a.png"), "profile": "small"}
    assert curator("POST", "images/", new).json()["profile"] == "small"
    assert Client().get("/iiif/3/a/info.json").json()["maxWidth"] == 500
    assert curator("PATCH", "images/a/", {"profile": "none"}).json()["errors"][0]["field"] == "profile"
    etag = admin("GET", "profiles/small/")["ETag"]
    assert admin("PATCH", "profiles/small/", {"max_width": 400}, headers={"If-Match": etag}).status_code == 200
    assert admin("PATCH", "profiles/small/", {"max_width": 300}, headers={"If-Match": etag}).status_code == 412
    assert Profile.objects.get().max_width == 400
    assert admin("DELETE", "profiles/small/").status_code == 409
    assert curator("PATCH", "images/a/", {"profile": None}).status_code == 200
    assert admin("DELETE", "profiles/small/").status_code == 204
