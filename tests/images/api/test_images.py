"""Registering, reading and changing images over HTTP."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from images.models import Image, ImageState, Store
from images.services.decoding import close_runner
from images.services.uploads import UploadSink
from tests.flows.conftest import gradient, png_bytes
from tests.images.api.conftest import Caller, MakeCaller, make_collection, make_image, source

pytestmark = pytest.mark.django_db(transaction=True)

PNG = png_bytes(gradient(60, 40))


@pytest.fixture(autouse=True)
def _runner() -> Iterator[None]:
    yield
    close_runner()


@pytest.fixture
def picture(store: Store) -> dict[str, str]:
    (Path(store.root) / "a.png").write_bytes(PNG)
    return source(store, "a.png")


def named(name: str, data: bytes) -> BytesIO:
    file = BytesIO(data)
    file.name = name
    return file


def uploads() -> list[Path]:
    root = Path(django_settings.MEDIA_ROOT)
    return sorted(path for path in root.iterdir() if path.is_file()) if root.is_dir() else []


@pytest.fixture
def upload_dir(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return Path(settings.MEDIA_ROOT)


def test_a_source_in_a_store_becomes_an_image(curator: Caller, picture: dict[str, str]) -> None:
    response = curator("POST", "images/", {"identifier": "box 5/a", "source": picture, "label": "Ein Tor"})
    assert response.status_code == 202, response.content
    assert response["Location"] == "http://testserver/api/v1/images/box%205%2Fa/"
    record = curator("GET", response["Location"].removeprefix("http://testserver")).json()
    assert (record["state"], record["error"]) == ("ready", None)
    assert (record["width"], record["height"], record["source_format"], record["source_version"]) == (60, 40, "png", 1)
    assert record["label"] == "Ein Tor"
    assert record["source"] == picture
    assert record["tiling"]["levels"] == 1
    assert record["links"]["info"] == "http://testserver/iiif/3/box%205%2Fa/info.json"
    for address in (record["thumbnail"], record["links"]["info"], record["links"]["manifest"], record["links"]["view"]):
        assert Client().get(address.removeprefix("http://testserver")).status_code == 200, address


def test_the_same_again_does_nothing_and_another_source_is_a_conflict(curator: Caller, picture: dict[str, str]) -> None:
    assert curator("POST", "images/", {"identifier": "a", "source": picture}).status_code == 202
    before = Image.objects.get().modified
    assert curator("POST", "images/", {"identifier": "a", "source": picture, "label": "x"}).status_code == 200
    assert Image.objects.get().modified == before
    other = curator("POST", "images/", {"identifier": "a", "source": {**picture, "key": "b.png"}})
    assert (other.status_code, other.json()["code"]) == (409, "identifier_taken")


def test_without_an_identifier_the_same_source_is_the_same_image(curator: Caller, picture: dict[str, str]) -> None:
    first = curator("POST", "images/", {"source": picture})
    second = curator("POST", "images/", {"source": picture})
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["identifier"] == second.json()["identifier"]


def test_another_source_is_read_anew(curator: Caller, picture: dict[str, str], store: Store) -> None:
    curator("POST", "images/", {"identifier": "a", "source": picture})
    (Path(store.root) / "b.png").write_bytes(png_bytes(gradient(30, 20)))
    response = curator("PATCH", "images/a/", {"source": source(store, "b.png")})
    assert response.status_code == 202
    record = curator("GET", "images/a/").json()
    assert (record["width"], record["source_version"]) == (30, 2)
    assert curator("PATCH", "images/a/", {"source": source(store, "b.png")}).status_code == 200


def test_put_makes_the_record_just_that(curator: Caller, picture: dict[str, str]) -> None:
    fields = {"label": "x", "metadata": [{"label": "Date", "value": "1877"}], "max_width": 500}
    assert curator("PUT", "images/a/b/", {"source": picture, **fields}).status_code == 202
    record = curator("GET", "images/a%2Fb/").json()
    assert {name: record[name] for name in fields} == fields
    assert curator("PUT", "images/a/b/", {"source": picture}).status_code == 200
    record = curator("GET", "images/a/b/").json()
    assert (record["label"], record["metadata"], record["max_width"]) == ("", [], None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"identifier": "../a"}, "identifier"),
        ({"identifier": "3/a"}, "identifier"),
        ({"identifier": ""}, "identifier"),
        ({"source": {}}, "source"),
        ({"source": {"store": "sources", "url": "https://a.example/a.tif"}}, "source"),
        ({"source": {"store": "nowhere", "key": "a.tif"}}, "source.store"),
        ({"source": {"url": "ftp://a.example/a.tif"}}, "source.url"),
        ({"source": {"url": "file:///etc/passwd"}}, "source.url"),
        ({"source": {"store": "sources", "key": "../a.tif"}}, "source.key"),
        ({"source": {"store": "sources", "key": "/etc/passwd"}}, "source.key"),
        ({"source": {"store": "sources", "key": "a", "more": 1}}, "source.more"),
        ({"label": "a\0b"}, "label"),
        ({"label": "x" * 501}, "label"),
        ({"label": ["x"]}, "label"),
        ({"rights": "javascript:alert(1)"}, "rights"),
        ({"metadata": [{"label": "a", "value": "b"}, {"label": "a"}]}, "metadata[1].value"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"collection": "nowhere"}, "collection"),
        ({"max_width": 0}, "max_width"),
        ({"max_height": 5}, ""),
        ({"labels": "x"}, "labels"),
        ({"file": "x"}, "file"),
    ],
)
def test_what_is_wrong_is_named(curator: Caller, store: Store, body: dict[str, Any], field: str) -> None:
    response = curator("POST", "images/", {"identifier": "a", "source": source(store), **body})
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Image.objects.exists()


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"", b"\xff\xfe", b"[" * 100_000, b'{"label": NaN}'])
def test_a_body_that_makes_no_sense_is_refused(curator: Caller, body: bytes) -> None:
    response = curator("POST", "images/", body, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_long_body_and_an_unknown_type_are_refused(curator: Caller, settings: Any) -> None:
    settings.IIIF_API_MAX_BODY_BYTES = 100
    assert curator("POST", "images/", {"label": "x" * 200}).status_code == 413
    assert curator("POST", "images/", b"<a/>", content_type="application/xml").status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing/", 404),
        ("GET", "images/none/", 404),
        ("DELETE", "images/none/", 404),
        ("POST", "images/none/refresh/", 404),
        ("GET", "images/none/refresh/", 405),
        ("OPTIONS", "images/", 405),
        ("PATCH", "images/", 405),
        ("GET", "images/?page=9", 404),
        ("GET", "images/?state=x", 400),
        ("GET", "images/?ordering=password", 400),
        ("GET", "images/?search=%00", 400),
    ],
)
def test_every_error_is_a_problem(curator: Caller, method: str, path: str, status: int) -> None:
    response = curator(method, path)
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert "Allow" in response or status != 405


def test_nobody_overwrites_what_they_have_not_seen(curator: Caller, store: Store) -> None:
    make_image(store, "a", state=ImageState.READY)
    first = curator("GET", "images/a/")["ETag"]
    changed = curator("PATCH", "images/a/", {"label": "one"}, headers={"If-Match": first})
    assert changed.status_code == 200
    assert changed["ETag"] != first
    late = curator("PATCH", "images/a/", {"label": "two"}, headers={"If-Match": first})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert Image.objects.get().label == "one"
    assert curator("DELETE", "images/a/", headers={"If-Match": first}).status_code == 412
    assert curator("GET", "images/a/", headers={"If-None-Match": changed["ETag"]}).status_code == 304
    assert curator("DELETE", "images/a/", headers={"If-Match": changed["ETag"]}).status_code == 204
    put = {"source": source(store)}
    assert curator("PUT", "images/a/", put, headers={"If-Match": "*"}).status_code == 412
    assert curator("PUT", "images/a/", put, headers={"If-None-Match": "*"}).status_code == 202
    assert curator("PUT", "images/a/", put, headers={"If-None-Match": "*"}).status_code == 412


def test_a_server_may_insist_on_if_match(curator: Caller, store: Store, settings: Any) -> None:
    settings.IIIF_API_REQUIRE_IF_MATCH = True
    make_image(store, "a")
    assert curator("PATCH", "images/a/", {"label": "x"}).status_code == 428
    assert curator("PATCH", "images/a/", {"label": "x"}, headers={"If-Match": "*"}).status_code == 200


def test_an_identifier_may_end_like_an_action(curator: Caller, store: Store) -> None:
    make_image(store, "a")
    make_image(store, "a/refresh", label="not an action")
    assert curator("GET", "images/a/refresh/").json()["label"] == "not an action"
    assert curator("PATCH", "images/a/refresh/", {"label": "y"}).json()["identifier"] == "a/refresh"
    assert curator("POST", "images/a/refresh/").json()["identifier"] == "a"
    assert curator("POST", "images/a/refresh/refresh/").json()["identifier"] == "a/refresh"


def test_an_image_is_read_again(curator: Caller, picture: dict[str, str], store: Store) -> None:
    curator("POST", "images/", {"identifier": "a", "source": picture})
    (Path(store.root) / "a.png").write_bytes(png_bytes(gradient(33, 22)))
    assert curator("POST", "images/a/refresh/").status_code == 202
    assert curator("GET", "images/a/").json()["width"] == 33
    assert curator("POST", "images/a/reingest/").status_code == 202
    assert curator("GET", "images/a/").json()["source_version"] == 3


def test_a_failure_says_why(curator: Caller, as_token: MakeCaller, store: Store) -> None:
    (Path(store.root) / "a.png").write_bytes(b"nothing of the kind")
    curator("POST", "images/", {"identifier": "a", "source": source(store, "a.png")})
    error = curator("GET", "images/a/").json()["error"]
    assert error["code"] == "not_an_image"
    assert error["detail"].endswith(".")
    seen = as_token("read", role="Viewer")("GET", "images/a/").json()
    assert set(seen["error"]) == {"code", "detail"}
    assert seen["source"] is None


@pytest.mark.parametrize(
    "name", ["a.png", "../../etc/passwd", "a.php", "x" * 300 + ".png", "a\0.png", "<b>.svg", "C:\\a.png"]
)
def test_an_upload_is_kept_under_a_name_of_our_own(curator: Caller, upload_dir: Path, name: str) -> None:
    response = curator.upload(
        "images/", file=named(name, PNG), identifier="a", label="x", metadata='[{"label":"a","value":"b"}]'
    )
    assert response.status_code == 202, response.content
    record = curator("GET", "images/a/").json()
    assert (record["state"], record["width"], record["metadata"]) == ("ready", 60, [{"label": "a", "value": "b"}])
    (kept,) = uploads()
    assert kept.read_bytes() == PNG
    assert kept.name == record["source"]["key"]


def test_the_same_upload_again_does_nothing(curator: Caller, upload_dir: Path) -> None:
    assert curator.upload("images/", file=named("a.png", PNG), identifier="a").status_code == 202
    assert curator.upload("images/", file=named("a.png", PNG), identifier="a").status_code == 200
    assert len(uploads()) == 1
    other = png_bytes(gradient(30, 20))
    assert curator.upload("images/", file=named("a.png", other), identifier="a").status_code == 409
    assert len(uploads()) == 1
    assert curator.upload("images/a/", "PATCH", file=named("a.png", PNG)).status_code == 200
    assert curator.upload("images/a/", "PATCH", file=named("a.png", other)).status_code == 202
    assert curator("GET", "images/a/").json()["width"] == 30


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>" * 5,
        b"<html><script>alert(1)</script></html>" * 5,
        b"%PDF-1.7" + b"x" * 100,
        b"MZ" + b"\0" * 100,
        b"PK\x03\x04" + b"\0" * 100,
    ],
)
def test_what_is_no_image_is_refused_and_not_kept(curator: Caller, upload_dir: Path, data: bytes) -> None:
    response = curator.upload("images/", file=named("a.tif", data), identifier="a")
    assert response.status_code == 400, response.content
    assert [error["field"] for error in response.json()["errors"]] == ["file"]
    assert uploads() == []
    assert not Image.objects.exists()


def test_an_upload_that_is_too_large_is_refused_while_it_arrives(
    curator: Caller, upload_dir: Path, settings: Any
) -> None:
    settings.IIIF_UPLOAD_MAX_BYTES = 500
    big = PNG + b"\0" * 1000
    response = curator.upload("images/", file=named("a.png", big), identifier="a")
    assert response.status_code == 413
    assert response.json()["errors"][0]["field"] == "file"
    assert uploads() == []


def test_an_upload_onto_a_full_disk_leaves_nothing_behind(
    curator: Caller, upload_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(UploadSink):
        """Its part exists; whatever is written to it meets the device that has no room, flushed or closed."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._file.close()
            self._file = Path("/dev/full").open("wb")  # noqa: SIM115 - the sink closes it

    assert curator("GET", "images/").status_code == 200  # loads the parsers
    monkeypatch.setattr("images.api.parsers.UploadSink", FullDisk)
    response = curator.upload("images/", file=named("a.png", PNG), identifier="a")
    assert (response.status_code, response.json()["code"]) == (507, "no_space")
    assert "no room" in response.json()["detail"]
    assert uploads() == []
    assert not Image.objects.exists()
    monkeypatch.undo()
    assert curator.upload("images/", file=named("a.png", PNG), identifier="a").status_code == 202


def test_an_upload_with_wrong_fields_is_not_kept(curator: Caller, upload_dir: Path) -> None:
    response = curator.upload("images/", file=named("a.png", PNG), identifier="../a", metadata="{")
    assert response.status_code == 400
    response = curator.upload("images/", file=named("a.png", PNG), identifier="../a")
    assert response.status_code == 400
    assert uploads() == []


def test_lists_are_filtered_ordered_and_paged(curator: Caller, store: Store) -> None:
    plates = make_collection("plates")
    for number in range(7):
        make_image(store, f"i{number}", label=f"Plate {number}", collection=plates if number % 2 else None)
    Image.objects.filter(identifier="i3").update(state=ImageState.FAILED)

    def found(query: str) -> list[str]:
        return [record["identifier"] for record in curator("GET", f"images/?{query}").json()["results"]]

    assert found("ordering=identifier") == [f"i{number}" for number in range(7)]
    assert found("ordering=-identifier&page_size=2&page=2") == ["i4", "i3"]
    assert found("collection=plates&ordering=identifier") == ["i1", "i3", "i5"]
    assert found("state=failed") == ["i3"]
    assert len(found("state=failed&state=pending")) == 7
    assert found("search=plate 5") == ["i5"]
    assert len(found(f"store={store.name}")) == 7
    assert found("store=other") == []
    page = curator("GET", "images/?page_size=3").json()
    assert page["count"] == 7
    assert len(page["results"]) == 3
    assert page["next"].endswith("page=2&page_size=3")


def test_a_list_takes_as_many_queries_with_many_records(curator: Caller, store: Store) -> None:
    plates = make_collection("plates")

    def queries(count: int) -> int:
        Image.objects.bulk_create(
            Image(identifier=f"{count}-{number}", store=store, key=f"{number}.tif", collection=plates)
            for number in range(count)
        )
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert curator("GET", "images/?page_size=500&search=-&ordering=label").status_code == 200
        return len(captured)

    queries(1)
    few, many = queries(5), queries(600)
    assert few + 1 == many <= 12  # what fits into one page is not counted


def test_a_search_looks_at_the_list_in_the_order_that_is_asked_for(
    curator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def search(images: Any, _text: str) -> Any:
        seen.append(images)
        return images

    monkeypatch.setattr("images.api.paging.search_images", search)
    assert curator("GET", "images/?search=plate&ordering=label").status_code == 200
    assert seen[0].query.order_by == ("label", "pk")
