"""The short way past Django: the same status, headers and bytes, fewer steps, nothing stale."""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from caching.derivatives import get_derivative_cache
from iiifserver.origins import Origins
from images.indexes.tiff.index import TiffIndex
from images.models import CopyPolicy, Image, Tiling
from images.selectors import indexes
from images.selectors.images import forget_served_image
from images.services import copy_answers, copy_policy, producing
from images.services.decoding import get_runner
from images.services.ingest import image_refresh
from images.services.splicing import image_splice
from images.sources.errors import SourceChangedError, SourceStalledError
from images.sources.files import file_etag
from images.sources.kept import close_kept_sources
from images.views import errors, shortcut
from images.views.shortcut import Shortcut
from images.views.sparing import Sparing
from tests.flows.conftest import Ingest, gradient, png_bytes
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.images.indexes.tiff.pixels import pixel_tiff

pytestmark = pytest.mark.django_db(transaction=True)

PIXELS = np.asarray(gradient(700, 530, 90))
STORED = "/iiif/3/slide/256,0,256,256/256,256/0/default.jpg"
KEPT = "/iiif/3/slide/full/300,/0/gray.png"
LARGE = "/iiif/3/noise/full/max/0/default.tif"


class Answer:
    """What one application says to one request."""

    def __init__(self, application: Any, path: str, method: str = "GET", **environ: str) -> None:
        url, _, query = path.partition("?")
        request = RequestFactory().generic(method, url, QUERY_STRING=query)
        given = {**request.environ, "wsgi.input": io.BytesIO(), **environ}

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            self.status, self.headers = status, headers

        parts = application(given, start_response)
        self.body = b"".join(parts)
        if hasattr(parts, "close"):
            parts.close()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{self.status}, {self.headers}, {len(self.body)} bytes"

    __hash__ = None  # type: ignore[assignment]


class Ways:
    """Both ways to an answer; `passed_on` are the paths that the short one left to Django."""

    def __init__(self) -> None:
        self.passed_on: list[str] = []
        self.django = WSGIHandler()
        self.short = Shortcut(self._pass_on, Origins())

    def _pass_on(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        self.passed_on.append(environ["PATH_INFO"])
        return self.django(environ, start_response)

    def long_answer(self, path: str, method: str = "GET", **environ: str) -> Answer:
        return Answer(self.django, path, method, **environ)

    def short_answer(self, path: str, method: str = "GET", **environ: str) -> Answer:
        return Answer(self.short, path, method, **environ)


@pytest.fixture
def ways(ingest: Ingest, settings: Any) -> Iterator[Ways]:
    settings.IIIF_SERVED_IMAGE_TTL = 3600.0
    settings.IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS = 0  # all is kept, at once
    indexes._memo.clear()
    ingest(jpeg_tiff(PIXELS, 256, "420", levels=2), "slide.tif", "slide")
    yield Ways()
    close_kept_sources()


def warm(ways: Ways, *paths: str) -> None:
    """What nobody foresees is kept at its second demand."""
    for path in paths * 2:
        assert ways.long_answer(path).status == "200 OK"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        STORED,
        STORED.replace("256,256/0", "256,/0"),
        STORED.replace("/3/", "/2/"),
        STORED.replace("/3/", "/"),
        STORED.replace("default", "color"),
        f"{STORED}?download",
        f"{STORED}?v=1&download=",
        KEPT,
        KEPT.replace("/3/", "/2/"),
        KEPT.replace("/3/", "/"),
        f"{KEPT}?download",
        "/iiif/3/slide/full/300,/0/default.jpg",
        "/iiif/3/slide/square/!90,90/22.5/bitonal.webp",
        "/iiif/3/slide/0,0,512,512/^600,/0/default.jpg",
    ],
)
def test_both_ways_say_the_same(ways: Ways, path: str, method: str) -> None:
    warm(ways, path)
    expected = ways.long_answer(path, method)
    for _ in range(3):
        assert ways.short_answer(path, method) == expected
    is_passed_on = method == "HEAD" and "256,0,256,256" in path  # how long a stored tile becomes is not known
    assert ways.passed_on == ([path.partition("?")[0]] * 3 if is_passed_on else [])
    assert expected.body or method == "HEAD"


@pytest.mark.parametrize("identifier", ["a/b c", "päth/ü", "100%", "a%2Fb", "why?"])
def test_identifiers_are_read_and_written_alike(ways: Ways, ingest: Ingest, identifier: str) -> None:
    ingest(png_bytes(gradient(60, 40)), "other.png", identifier)
    path = f"/iiif/3/{identifier}/full/max/0/default.jpg".encode().decode("latin-1")
    long = ways.long_answer("/", PATH_INFO=path)
    assert long.status == "200 OK"
    assert ways.short_answer("/", PATH_INFO=path) == long
    assert ways.passed_on == []


@pytest.mark.parametrize("path", [STORED, KEPT])
@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("HTTP_IF_NONE_MATCH", "ETAG", 304),
        ("HTTP_IF_NONE_MATCH", 'W/"a", W/ETAG', 304),
        ("HTTP_IF_NONE_MATCH", "*", 304),
        ("HTTP_IF_NONE_MATCH", '"other"', 200),
        ("HTTP_IF_NONE_MATCH", "not one", 200),
        ("HTTP_IF_MODIFIED_SINCE", "Sat, 01 Jan 2050 00:00:00 GMT", 304),
        ("HTTP_IF_MODIFIED_SINCE", "Sat, 01 Jan 2000 00:00:00 GMT", 200),
        ("HTTP_IF_MATCH", "ETAG", 200),
        ("HTTP_IF_MATCH", '"other"', 412),
        ("HTTP_IF_UNMODIFIED_SINCE", "Sat, 01 Jan 2000 00:00:00 GMT", 412),
        ("HTTP_RANGE", "bytes=0-9", 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_hold_on_both_ways(ways: Ways, path: str, method: str, name: str, value: str, status: int) -> None:
    warm(ways, path)
    value = value.replace("ETAG", dict(ways.long_answer(path).headers)["ETag"])
    expected = ways.long_answer(path, method, **{name: value})
    assert expected.status.startswith(str(status))
    assert ways.short_answer(path, method, **{name: value}) == expected


def test_no_query_no_decoder_and_one_look_at_the_disk(
    ways: Ways, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    warm(ways, STORED, KEPT)
    monkeypatch.setattr("images.services.producing.get_runner", lambda: pytest.fail("something was decoded"))
    before = get_derivative_cache().stats.snapshot()
    with django_assert_num_queries(0):
        for _ in range(4):
            ways.short_answer(STORED)
            ways.short_answer(KEPT)
    after = get_derivative_cache().stats.snapshot()
    assert ways.passed_on == []
    assert after["hits"] - before["hits"] == 4
    assert after["memory_hits"] - before["memory_hits"] >= 3


SCANNED = "/iiif/3/scan/256,0,256,256/256,256/0/default.jpg"
EDGE = "/iiif/3/slide/512,512,188,18/max/0/default.jpg"


@pytest.mark.parametrize("path", [SCANNED, SCANNED.replace(".jpg", ".png"), EDGE])
def test_what_a_decoder_makes_of_a_tiff(ways: Ways, ingest: Ingest, path: str, django_assert_num_queries: Any) -> None:
    ingest(pixel_tiff(PIXELS, 256, 8, levels=2), "scan.tif", "scan")
    warm(ways, "/iiif/3/scan/full/50,/0/default.jpg", "/iiif/3/slide/full/50,/0/default.jpg")
    decodes = get_runner().stats()["jobs"]
    with django_assert_num_queries(0):
        made = ways.short_answer(path)
    assert (made.status, ways.passed_on) == ("200 OK", [])
    assert get_runner().stats()["jobs"] - decodes == 1
    assert ways.short_answer(path) == made
    assert ways.long_answer(path) == made
    assert get_runner().stats()["jobs"] - decodes == 1, "it is kept"


def test_what_fails_is_tried_once_and_told_alike(ways: Ways, ingest: Ingest, tmp_path: Path) -> None:
    data = bytearray(pixel_tiff(PIXELS, 256, 8))
    image = ingest(bytes(data), "scan.tif", "scan")
    index = TiffIndex.from_bytes(bytes(Tiling.objects.get(image=image).index or b""))
    place = index.levels[0].piece_range(1, 0) if index else None
    assert place is not None
    with (tmp_path / "sources" / "scan.tif").open("r+b") as file:
        file.seek(place.start)
        file.write(b"\xff\xff")
    Tiling.objects.filter(image=image).update(etag=file_etag((tmp_path / "sources" / "scan.tif").stat()))
    forget_served_image("scan")
    warm(ways, "/iiif/3/scan/0,0,200,200/max/0/default.jpg")
    decodes = get_runner().stats()["jobs"]
    failed = ways.short_answer(SCANNED)
    assert (failed.status, ways.passed_on) == ("500 Internal Server Error", [])
    assert get_runner().stats()["jobs"] - decodes == 1
    long = ways.long_answer(SCANNED)
    assert (failed.status, failed.body) == (long.status, long.body)
    assert sorted(failed.headers) == sorted([*long.headers, ("Content-Length", str(len(long.body)))])


def test_a_store_that_does_not_answer_is_asked_once_and_named_once(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def stalled(*_arguments: Any) -> None:
        asked.append(1)
        raise SourceStalledError("The store does not answer.", "far away", 7)

    monkeypatch.setattr(producing, "image_splice", stalled)
    monkeypatch.setattr(errors, "_sparing", Sparing(3600.0))
    monkeypatch.setattr("random.randint", lambda *_range: 0)
    warm(ways, KEPT)
    failed = [ways.short_answer(STORED) for _ in range(3)]
    assert (len(asked), ways.passed_on) == (3, [])
    long = ways.long_answer(STORED)
    assert {(answer.status, answer.body) for answer in failed} == {(long.status, long.body)}
    assert long.status.startswith("503")
    assert sorted(failed[0].headers) == sorted([*long.headers, ("Content-Length", str(len(long.body)))])
    assert ("Retry-After", "7") in failed[0].headers
    assert caplog.text.count("far away") == 1


def test_a_slow_disk_keeps_nobody_else_waiting(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    warm(ways, STORED, KEPT)
    for path in (STORED, KEPT):
        ways.short_answer(path)
    read, is_asked, goes_on = image_splice, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        if not is_asked.is_set():
            is_asked.set()
            assert goes_on.wait(30)
        return read(*arguments)

    monkeypatch.setattr(producing, "image_splice", slow)
    with ThreadPoolExecutor(1) as others:
        slow_answer = others.submit(ways.short_answer, STORED)
        assert is_asked.wait(30)
        quick = [ways.short_answer(path) for path in (STORED, KEPT)]
        assert not slow_answer.done()
        goes_on.set()
        assert slow_answer.result(30) == quick[0]
    assert [answer.status for answer in quick] == ["200 OK"] * 2
    assert ways.passed_on == []
    assert not shortcut._turns.locked()


def test_a_turn_ends_with_whatever_happens(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    warm(ways, STORED)
    ways.short_answer(STORED)
    for error in (RuntimeError("a fault"), SourceChangedError("It is another.")):

        def fails(*_arguments: Any, error: Exception = error) -> None:
            assert shortcut._turns.locked()
            raise error

        monkeypatch.setattr(shortcut, "image_render_stored", fails)
        assert ways.short_answer(STORED).status == "200 OK"  # by Django's way
        assert not shortcut._turns.locked()


def test_a_large_answer_is_relayed(ways: Ways, ingest: Ingest) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (700, 700, 3), np.uint8)
    ingest(jpeg_tiff(noise, 256, "444"), "noise.tif", "noise")
    long = ways.long_answer(LARGE)
    assert len(long.body) > 1_048_576
    assert ways.short_answer(LARGE) == long
    assert ways.passed_on == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/iiif/3/slide/info.json"),
        ("GET", "/iiif/3/slide"),
        ("GET", "/iiif/presentation/3/slide/manifest"),
        ("GET", "/iiif/3/unknown/full/max/0/default.jpg"),
        ("GET", "/iiif/3/slide/full/0,/0/default.jpg"),
        ("GET", "/iiif/3/slide/full/max/0/default.bmp"),
        ("GET", "/iiif/3/slide/9999,0,1,1/max/0/default.jpg"),
        ("GET", "/iiif/3/sl\x00ide/full/max/0/default.jpg"),
        ("GET", "/iiif/3/slide/full/^2000,/0/default.jpg"),
        ("HEAD", "/iiif/3/slide/full/77,/0/default.jpg"),
        ("OPTIONS", STORED),
        ("POST", STORED),
        ("GET", "/healthz"),
        ("GET", "/iiif/"),
    ],
)
def test_everything_else_is_passed_on_as_it_came(ways: Ways, method: str, path: str) -> None:
    warm(ways, STORED)
    short = ways.short_answer("/", method, PATH_INFO=path)
    assert ways.passed_on == [path]
    assert short == ways.long_answer("/", method, PATH_INFO=path)


def test_a_request_without_an_index_in_memory_is_passed_on(ways: Ways) -> None:
    warm(ways, STORED)
    indexes._memo.clear()
    assert ways.short_answer(STORED) == ways.short_answer(STORED)
    assert len(ways.passed_on) == 1


def test_a_record_is_trusted_for_its_time_only(ways: Ways, settings: Any) -> None:
    warm(ways, STORED)
    before = ways.short_answer(STORED)
    settings.IIIF_SERVED_IMAGE_TTL = 0.0
    assert ways.short_answer(STORED) == before
    assert ways.passed_on == [STORED]


@pytest.mark.parametrize("path", [STORED, KEPT])
def test_a_new_version_is_served_and_the_old_one_never_again(
    ways: Ways, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda *_arguments: None)
    warm(ways, path)
    old = ways.short_answer(path)
    source = tmp_path / "sources" / "slide.tif"
    other = source.with_suffix(".new")
    other.write_bytes(jpeg_tiff(255 - PIXELS, 256, "420", levels=2))
    other.replace(source)
    if path == STORED:
        assert ways.short_answer(path).status.startswith("503")
        assert ways.passed_on.pop() == path
    image_refresh(Image.objects.get(identifier="slide").pk)
    forget_served_image("slide")
    new = ways.short_answer(path)
    assert ways.passed_on == [path]
    assert dict(new.headers)["ETag"] != dict(old.headers)["ETag"]
    assert new.body != old.body
    assert ways.short_answer(path) == new
    assert ways.passed_on == [path]


def test_an_image_that_was_removed_is_gone(ways: Ways) -> None:
    warm(ways, STORED)
    ways.short_answer(STORED)
    Image.objects.all().delete()
    forget_served_image("slide")
    assert ways.short_answer(STORED).status.startswith("404")


def test_a_setting_that_changes_the_answer_is_heeded(ways: Ways, settings: Any) -> None:
    warm(ways, STORED)
    before = ways.short_answer(STORED)
    settings.IIIF_BASE_URL = "https://images.example.org"
    settings.IIIF_DISABLED_FEATURES = ["profileLinkHeader"]
    warm(ways, STORED)
    after = ways.short_answer(STORED)
    assert after == ways.long_answer(STORED)
    assert dict(after.headers)["Link"].startswith("<https://images.example.org/iiif/3/slide/")
    assert "profile" in dict(before.headers)["Link"]
    assert "profile" not in dict(after.headers)["Link"]
    assert ways.passed_on == []


@pytest.mark.parametrize("networks", [[], ["10.0.0.0/8"]])
@pytest.mark.parametrize("base_url", ["", "https://public.example.org"])
def test_links_name_the_host_that_was_asked(ways: Ways, settings: Any, networks: list[str], base_url: str) -> None:
    settings.ALLOWED_HOSTS = ["one.test", "two.test", "images.example.org"]
    settings.IIIF_TRUSTED_PROXIES = networks
    settings.IIIF_BASE_URL = base_url
    forwarded = {"HTTP_X_FORWARDED_HOST": "bad.test, images.example.org", "HTTP_X_FORWARDED_PROTO": "https"}
    requests: list[dict[str, str]] = [
        {"HTTP_HOST": "one.test"},
        {"HTTP_HOST": "two.test:8080"},
        {"HTTP_HOST": "one.test", "wsgi.url_scheme": "https"},
        {"HTTP_HOST": "one.test", "REMOTE_ADDR": "10.1.2.3", **forwarded},
        {"HTTP_HOST": "one.test", "REMOTE_ADDR": "11.1.2.3", **forwarded},
        {"HTTP_HOST": "one.test", "REMOTE_ADDR": "10.1.2.3", **forwarded, "HTTP_X_FORWARDED_PORT": "8443"},
        {"HTTP_HOST": "one.test", "REMOTE_ADDR": "10.1.2.3"},
        {"HTTP_HOST": "evil.test"},
    ]
    ways.django = WSGIHandler()  # the middlewares read the proxies when they are made
    ways.long_answer(STORED, HTTP_HOST="one.test")
    named: list[str] = []
    for _ in range(2):
        for environ in requests:
            short = ways.short_answer(STORED, **environ)
            assert short == ways.long_answer(STORED, **environ)
            named.append(dict(short.headers).get("Link", "").partition("/iiif/")[0].strip("<"))
    assert len(ways.passed_on) == (0 if base_url else 2)
    proxied = "https://images.example.org" if networks else "http://one.test"
    port = ":8443" if networks else ""
    expected = ["http://one.test", "http://two.test:8080", "https://one.test", proxied, "http://one.test"]
    expected += [proxied + port, "http://one.test", ""]
    assert named == ([base_url] * 8 if base_url else expected) * 2
    settings.IIIF_SERVED_IMAGE_TTL = 0.0
    for environ in requests:
        assert ways.short_answer(STORED, **environ) == ways.long_answer(STORED, **environ)


def test_a_fault_on_the_short_way_costs_nobody_an_answer(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    warm(ways, STORED)

    def fail(*_arguments: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(shortcut, "find_remembered_piece", fail)
    assert ways.short_answer(STORED) == ways.long_answer(STORED)
    assert ways.passed_on == [STORED]
    assert "the short way failed" in caplog.text


def test_requests_are_remembered_up_to_a_number(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    warm(ways, STORED)
    monkeypatch.setattr(shortcut, "_REMEMBERED", 3)
    shortcut._memo.clear()
    for number in range(9):
        ways.short_answer(f"{STORED}?{number}")
    assert [name[2] for name in shortcut._memo._requests] == ["6", "7", "8"]


def test_a_stored_tile_that_is_damaged_comes_from_the_cache(ways: Ways, ingest: Ingest) -> None:
    """It is decoded once, and kept under the name of the request."""
    data = jpeg_tiff(PIXELS, 256, "420", levels=2, change_tile=lambda tile: tile + b"\x00")
    ingest(data, "odd.tif", "odd")
    path = STORED.replace("slide", "odd")
    long = ways.long_answer(path)
    assert long.status == "200 OK"
    assert ways.short_answer(path) == long
    assert ways.passed_on == []


def test_a_service_copy_answers_on_both_ways_until_it_fails(
    ways: Ways, ingest: Ingest, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "copies"}}
    settings.STORAGES = {**settings.STORAGES, "service-copies": files}
    settings.IIIF_TILE_SIZE = 256
    monkeypatch.setattr(copy_answers, "enqueue_aside", lambda *_task: None)
    copy_answers._given_up.clear()
    image = ingest(png_bytes(gradient(700, 530)), "large.png", "large")
    path = STORED.replace("slide", "large")
    warm(ways, path)
    source = ways.short_answer(path)
    copy_policy.copy_request(image.pk)
    forget_served_image("large")
    warm(ways, path)
    copied = [ways.short_answer(path) for _ in range(2)]
    assert copied == [ways.long_answer(path)] * 2
    assert dict(copied[0].headers)["ETag"] != dict(source.headers)["ETag"]
    assert ways.passed_on == []
    for file in (tmp_path / "copies").rglob("*.tif"):
        file.unlink()
    assert ways.short_answer(path) == source
    assert ways.passed_on == [path]
    assert ways.short_answer(path) == source
    assert ways.passed_on == [path]
    copy_answers._given_up.clear()


def test_an_image_that_wants_a_copy_is_seen_by_django(ways: Ways, monkeypatch: Any) -> None:
    queued: list[tuple[object, ...]] = []
    monkeypatch.setattr(copy_answers, "enqueue_aside", lambda *task: queued.append(task))
    warm(ways, STORED)
    Image.objects.update(service_copy_policy=CopyPolicy.ON_FIRST_VIEW)
    forget_served_image("slide")
    warm(ways, STORED)
    ways.short_answer(STORED)
    assert ways.passed_on == [STORED]
    assert [name for name, _ in queued] == ["images.service_copy_make"]
