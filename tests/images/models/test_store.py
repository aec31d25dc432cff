"""What the record of a store accepts, and the location that is made of it."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from images.models import Store
from images.selectors.stores import store_location
from images.sources.errors import SourceDisabledError
from images.sources.location import Retrieval, Strategy
from images.sources.registry import open_source

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

GOOD: list[dict[str, Any]] = [
    {"kind": "filesystem", "root": "/srv/scans"},
    {"kind": "http", "root": "https://images.example.org/files/", "allowed_hosts": ["cdn.example.org"]},
    {"kind": "http", "root": "https://images.example.org/get?id={id}&size=full"},
    {"kind": "http", "root": "https://images.example.org/{+id}.tif", "options": {"headers": {"X-Client": "iiif"}}},
    {
        "kind": "http",
        "root": "http://images.example.org:8080",
        "options": {"ports": [8080], "networks": ["10.0.0.0/8"]},
    },
    {"kind": "s3", "root": "bucket", "options": {"region": "eu-central-1"}, "credentials": "env:AWS"},
    {"kind": "s3", "root": "b.c-d/scans/2024/", "options": {"endpoint_url": "http://127.0.0.1:9000"}},
    {"kind": "gcs", "root": "bucket/scans", "options": {"anonymous": True}},
    {"kind": "azure", "root": "container", "options": {"account_name": "account"}},
    {"kind": "storage", "root": "default", "strategy": "cache"},
    {"kind": "flickr", "root": "", "credentials": "file:/run/secrets/flickr.json"},
    {
        "kind": "filesystem",
        "root": "/srv",
        "registers_itself": True,
        "identifier_pattern": "(a)",
        "key_template": r"\1",
    },
]
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"root": "scans"}, "root", "must be absolute"),
    ({"root": "/srv\n"}, "root", "control characters"),
    ({"root": "/srv", "strategy": "cache"}, "strategy", "read where it lies"),
    ({"root": "/srv", "options": {"region": "x"}}, "options", "There is no option 'region'"),
    ({"root": "/srv", "options": []}, "options", "JSON object"),
    ({"root": "/srv", "credentials": "hunter2"}, "credentials", "named, not written down"),
    ({"root": "/srv", "key_prefix": "../"}, "key_prefix", "leads to another folder"),
    ({"root": "/srv", "key_suffix": "/.."}, "key_suffix", "leads to another folder"),
    ({"root": "/srv", "identifier_pattern": "("}, "identifier_pattern", "no regular expression"),
    ({"root": "/srv", "identifier_pattern": "a", "key_template": r"\1"}, "key_template", "no group"),
    ({"kind": "http", "root": "ftp://example.org/"}, "root", "must be http"),
    ({"kind": "http", "root": "https://u:p@example.org/"}, "root", "without a user name"),
    ({"kind": "http", "root": "https://{id}.example.org/"}, "root", "host of a template"),
    ({"kind": "http", "root": "https://example.org/{other}"}, "root", "{id}"),
    ({"kind": "http", "root": "https://e.org/", "options": {"headers": {"Cookie": "x"}}}, "options", "secrets"),
    ({"kind": "http", "root": "https://e.org/", "options": {"headers": {"Host": "x"}}}, "options", "cannot have"),
    ({"kind": "http", "root": "https://e.org/", "options": {"ports": [0]}}, "options", "port numbers"),
    ({"kind": "http", "root": "https://e.org/", "options": {"networks": ["x"]}}, "options", "no network"),
    ({"kind": "http", "root": "https://e.org/", "allowed_hosts": ["https://x/"]}, "allowed_hosts", "host names"),
    ({"kind": "s3", "root": "/bucket"}, "root", "bucket"),
    ({"kind": "s3", "root": "bucket/../x"}, "root", "prefix"),
    ({"kind": "s3", "root": "b", "options": {"endpoint_url": "localhost"}}, "options", "must be http"),
    ({"kind": "s3", "root": "b", "options": {"addressing_style": "x"}}, "options", "virtual"),
    ({"kind": "azure", "root": "container"}, "options", "account_name"),
    ({"kind": "storage", "root": "nowhere"}, "root", "no storage 'nowhere'"),
    ({"kind": "flickr", "root": "x"}, "root", "no root"),
    ({"root": "/srv", "max_connections": 0}, "max_connections", "1"),
    ({"root": "/srv", "max_bytes_per_second": 0}, "max_bytes_per_second", "1"),
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_makes_sense(fields: dict[str, Any]) -> None:
    Store(name="s", **fields).full_clean()


@pytest.mark.parametrize(("fields", "field", "sentence"), WRONG)
def test_what_makes_no_sense_is_said_at_its_field(fields: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Store(name="s", **fields).full_clean()
    assert set(caught.value.message_dict) == {field}
    assert sentence in " ".join(caught.value.message_dict[field])


def test_two_stores_cannot_register_the_same_identifiers() -> None:
    first = Store(name="a", root="/a", registers_itself=True, identifier_prefix="x/")
    first.full_clean()
    first.save()
    first.full_clean()
    with pytest.raises(ValidationError, match="Another store"):
        Store(name="b", root="/b", registers_itself=True, identifier_prefix="x/").full_clean()
    Store(name="b", root="/b", registers_itself=True, identifier_prefix="y/").full_clean()


def test_a_location_says_how_to_fetch_and_shows_no_secret() -> None:
    store = Store(
        name="nga", kind="s3", root="bucket", options={"region": "x"}, credentials="env:NGA", strategy="cache",
        prefetch=True, freshness_seconds=60, max_connections=4, max_bytes_per_second=1000,
    )  # fmt: skip
    location = store_location(store, "a.tif")
    assert (location.kind, location.root, location.key) == ("s3", "bucket", "a.tif")
    assert location.retrieval == Retrieval("nga", Strategy.CACHE, True, 60, 4, 1000)
    assert location.options["region"] == "x"
    assert location.options["credentials"].reference == "env:NGA"
    assert "region" not in repr(location)


def test_the_options_of_a_web_server_go_beyond_the_settings(settings: Any) -> None:
    settings.IIIF_SOURCE_PORTS = [443]
    settings.IIIF_SOURCE_NETWORKS = ["192.168.0.0/16"]
    options = {"ports": [8080], "networks": ["10.0.0.0/8"]}
    store = Store(name="w", kind="http", root="https://e.org", options=options, allowed_hosts=["f.org"])
    found = store_location(store, "a").options
    assert found["ports"] == (443, 8080)
    assert found["allowed_networks"] == ("192.168.0.0/16", "10.0.0.0/8")
    assert found["allowed_hosts"] == ("f.org",)


def test_nothing_is_opened_of_a_store_that_is_switched_off() -> None:
    with pytest.raises(SourceDisabledError, match="switched off"):
        open_source(store_location(Store(name="f", root="/srv", is_enabled=False), "a.tif"))
