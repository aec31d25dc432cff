"""Listing pages of a store, whatever its kind: the same answers of a folder, a bucket and a storage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from images.sources.credentials import Credentials
from images.sources.errors import SourceDisabledError, SourceForbiddenError, SourceNotAllowedError
from images.sources.listing import ListingUnsupportedError, list_sources
from images.sources.location import Location, Retrieval
from tests.support import faults
from tests.support.moto import Moto
from tests.support.origin import Origin

KEYS = ["a-b.tif", "a/1.tif", "a/2.tif", "a/b/3.tif", "ab/4.tif", "z.tif", "ä.tif"]


def folder(request: pytest.FixtureRequest) -> Location:
    root: Path = request.getfixturevalue("tmp_path")
    for key in KEYS:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"12345")
    return Location("filesystem", str(root), "")


def s3(request: pytest.FixtureRequest) -> Location:
    moto: Moto = request.getfixturevalue("moto")
    moto.make_bucket("listed")
    for key in KEYS:
        moto.put("listed", f"scans/{key}", b"12345")
    moto.put("listed", "scans-of-others/x.tif", b"")
    credentials = Credentials("env:M", lambda _prefix: {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"})
    return Location("s3", "listed/scans", "", {"endpoint_url": moto.endpoint, "credentials": credentials})


def storage(request: pytest.FixtureRequest) -> Location:
    settings = request.getfixturevalue("settings")
    elsewhere = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "listed": elsewhere}
    for key in KEYS:
        storages["listed"].save(key, ContentFile(b"12345"))
    return Location("storage", "listed", "")


@pytest.mark.parametrize("place", [folder, s3, storage])
def test_pages(request: pytest.FixtureRequest, place: Callable[..., Location]) -> None:
    location = place(request)
    everything = list_sources(location)
    assert [one.key for one in everything.sources] == KEYS
    assert everything.cursor == ""
    assert {one.byte_size for one in everything.sources} <= {5, None}
    first = list_sources(location, limit=3)
    assert [one.key for one in first.sources] == KEYS[:3]
    second = list_sources(location, cursor=first.cursor, limit=3)
    assert [one.key for one in second.sources] == KEYS[3:6]
    last = list_sources(location, cursor=second.cursor, limit=3)
    assert ([one.key for one in last.sources], last.cursor) == (KEYS[6:], "")
    for prefix in ("a", "a/"):
        assert [one.key for one in list_sources(location, prefix).sources] == KEYS[1:4]
    assert list_sources(location, "a", "a/1.tif").sources[0].key == "a/2.tif"
    assert list_sources(location, "a/b").sources[0].key == "a/b/3.tif"


@pytest.mark.parametrize("prefix", ["..", "a/../..", "a//b", "a\\b", "a\0"])
def test_prefixes_that_lead_elsewhere(request: pytest.FixtureRequest, prefix: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        list_sources(folder(request), prefix)


def test_stores_that_cannot_say() -> None:
    with pytest.raises(ListingUnsupportedError):
        list_sources(Location("http", "https://example.org", ""))
    with pytest.raises(SourceDisabledError):
        list_sources(Location("filesystem", "/", "", retrieval=Retrieval("s", is_enabled=False)))


def test_a_store_that_does_not_let_us_list(objects: Origin) -> None:
    objects.fail(faults.refuse(403, "AccessDenied"))
    options: dict[str, Any] = {"endpoint_url": objects.endpoint, "anonymous": True}
    with pytest.raises(SourceForbiddenError):
        list_sources(Location("s3", "bucket", "", options))
