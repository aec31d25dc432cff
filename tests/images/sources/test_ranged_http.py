"""Web servers of stores: ranges pinned by If-Match, copies where there are no ranges, credentials and templates."""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from images.indexes.ranges import ByteRange
from images.sources.credentials import Credentials
from images.sources.errors import (
    SourceChangedError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceTruncatedError,
)
from images.sources.files import FileReader
from images.sources.http import open_url
from images.sources.idle import idle
from images.sources.location import Location, Retrieval
from images.sources.ranged_http import RangedReader
from images.sources.urls import source_url
from tests.images.sources.origin import Canary
from tests.support import faults
from tests.support.origin import Origin
from tests.support.server import wait_until

DATA = os.urandom(200_000)
SECRET = "correct-horse-battery-staple"
PASSWORDS = Credentials("env:X", lambda _prefix: {"USERNAME": "u", "PASSWORD": SECRET, "HEADER_X_TOKEN": "t0ken"})


@pytest.fixture(autouse=True)
def _no_connections_of_others() -> Iterator[None]:
    idle.clear()
    yield
    idle.clear()


def place(origin: Origin, folder: Path, key: str = "map.jp2", **options: Any) -> Location:
    retrieval = options.pop("retrieval", Retrieval("web"))
    given = {
        "cache_dir": str(folder / "copies"),
        "ports": (80, 443, origin.port),
        "allowed_networks": ("127.0.0.1/32",),
        "total_seconds": 5.0,
        **options,
    }
    return Location("http", origin.url("bucket"), key, given, retrieval)


def test_ranges_come_in_one_round_without_a_question(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/map.jp2", DATA)
    with open_url(place(objects, tmp_path)) as reader:
        assert isinstance(reader, RangedReader)
        etag = reader.stat().etag
        assert reader.stat().byte_size == len(DATA)
    objects.log.clear()
    objects.conditions.rtt = 0.1
    ranges = [ByteRange(start, start + 1000) for start in range(0, 160_000, 20_000)]
    with open_url(place(objects, tmp_path), etag) as reader:
        assert objects.log.count() == 0
        assert reader.read_many(ranges) == [DATA[one.start : one.stop] for one in ranges]
    assert sorted(objects.log.ranges()) == [(one.start, one.stop) for one in ranges]
    assert objects.log.rounds() == 1
    assert {visit.status for visit in objects.log.visits()} == {206}
    assert all(visit.headers["if-match"] in etag for visit in objects.log.visits())


def test_connections_are_used_again(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/map.jp2", DATA)
    with open_url(place(objects, tmp_path)) as reader:
        for start in range(0, 10_000, 1000):
            assert reader.read(start, 10) == DATA[start : start + 10]
    assert objects.log.count() == 11
    assert objects.connections == 1


def test_connections_of_a_store_are_limited(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/map.jp2", DATA)
    with open_url(place(objects, tmp_path, retrieval=Retrieval("few", max_connections=2))) as reader:
        objects.conditions.rtt = 0.05
        reader.read_many([ByteRange(start, start + 10) for start in range(0, 80, 10)])
    assert objects.log.busiest == 2


def test_a_store_that_hangs_takes_no_threads_from_another(objects: Origin, tmp_path: Path) -> None:
    count = 32
    ranges = [ByteRange(start, start + 1000) for start in range(0, count * 3000, 3000)]
    objects.put("bucket/map.jp2", DATA)
    with Origin() as hanging, ThreadPoolExecutor(2) as pool:
        hanging.put("bucket/map.jp2", DATA)
        hung = place(hanging, tmp_path, retrieval=Retrieval("hung", max_connections=count), total_seconds=60.0)
        fine = place(objects, tmp_path, retrieval=Retrieval("fine"), total_seconds=30.0)
        with open_url(hung) as waiting, open_url(fine) as reader:
            hanging.log.clear()
            hanging.fail(faults.hang)
            pool.submit(waiting.read_many, ranges)
            try:
                assert wait_until(lambda: hanging.log.count() == count, 30)
                assert reader.read_many(ranges) == [DATA[one.start : one.stop] for one in ranges]
            finally:
                hanging.mend()


def test_a_replaced_file_is_found_out(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/map.jp2", DATA)
    with open_url(place(objects, tmp_path)) as reader:
        objects.put("bucket/map.jp2", DATA[::-1])
        with pytest.raises(SourceChangedError):
            reader.read_many([ByteRange(0, 4), ByteRange(50, 60)])


@pytest.mark.parametrize(
    "misdeed",
    [
        *(faults.html, faults.no_ranges, faults.short, faults.cut, faults.lie_about_length, faults.reset),
        *(faults.refuse(status) for status in (403, 416, 500, 503)),
    ],
)
def test_wrong_answers_are_never_bytes(objects: Origin, tmp_path: Path, misdeed: faults.Misdeed) -> None:
    objects.put("bucket/map.jp2", DATA)
    with open_url(place(objects, tmp_path)) as reader:
        objects.fail(misdeed)
        with pytest.raises(SourceError):
            reader.read_many([ByteRange(0, 1000), ByteRange(5000, 6000)])
        objects.mend()
        assert reader.read(0, 10) == DATA[:10]
        with pytest.raises(SourceTruncatedError):
            reader.read(len(DATA), 1)


def test_a_server_that_hangs_is_given_up(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/map.jp2", DATA)
    with open_url(place(objects, tmp_path, total_seconds=2.0)) as reader:
        objects.fail(faults.hang)
        with pytest.raises(SourceError):
            reader.read(0, 10)


def test_a_server_without_ranges_is_copied_once(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/map.jp2", DATA)
    objects.fail(faults.no_ranges)
    with open_url(place(objects, tmp_path)) as reader:
        assert isinstance(reader, FileReader)
        etag = reader.stat().etag
    objects.log.clear()
    with open_url(place(objects, tmp_path), etag) as reader:
        assert reader.read(5, 10) == DATA[5:15]
    assert objects.log.count() == 0


def test_credentials_go_to_the_store_and_not_where_it_redirects(objects: Origin, tmp_path: Path) -> None:
    expected = base64.b64encode(f"u:{SECRET}".encode()).decode()
    with Origin() as elsewhere:
        elsewhere.put("bucket/map.jp2", DATA)
        objects.fail(faults.redirect(elsewhere.url("bucket/map.jp2")))
        ports = (objects.port, elsewhere.port)
        location = place(objects, tmp_path, credentials=PASSWORDS, ports=ports, headers={"X-Client": "iiif"})
        with open_url(location) as reader:
            assert reader.read(0, 4) == DATA[:4]
        assert objects.log.visits()[0].headers["authorization"] == f"Basic {expected}"
        assert objects.log.visits()[0].headers["x-token"] == "t0ken"
        assert elsewhere.log.count() == 2
        for visit in elsewhere.log.visits():
            assert "authorization" not in visit.headers
            assert "x-token" not in visit.headers
            assert visit.headers["x-client"] == "iiif"


def test_secrets_are_in_no_message(objects: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    location = place(objects, tmp_path, credentials=PASSWORDS)
    for status in (401, 403, 404, 500, 418):
        objects.mend()
        objects.fail(faults.refuse(status, SECRET))
        with pytest.raises(SourceError) as caught:
            open_url(location)
        assert SECRET not in f"{caught.value!r} {caught.value.technical} {caught.value.__cause__!r} {location!r}"
    wrong = Credentials("env:X", lambda _prefix: {"AUTHORIZATION": f"{SECRET}\r\nHost: evil"})
    with pytest.raises(SourceForbiddenError) as refused:
        open_url(place(objects, tmp_path, credentials=wrong))
    assert SECRET not in f"{refused.value!r} {refused.value.technical}"
    assert SECRET not in caplog.text


def test_redirects_lead_only_to_allowed_hosts_and_addresses(objects: Origin, tmp_path: Path, canary: Canary) -> None:
    for status in (301, 302, 303, 307, 308):
        for host in ("127.0.0.2", "[::1]", "localhost"):
            objects.mend()
            objects.fail(faults.redirect(f"http://{host}:{canary.port}/x", status))
            ports = (objects.port, canary.port)
            with pytest.raises(SourceNotAllowedError):
                open_url(place(objects, tmp_path, ports=ports, allowed_hosts=("images.example.org",)))
            if host != "localhost":  # which leads to the one network that is allowed here
                with pytest.raises(SourceNotAllowedError):
                    open_url(place(objects, tmp_path, ports=ports))
    assert canary.connections == 0


@pytest.mark.parametrize(
    ("root", "key", "url"),
    [
        ("https://e.org/get?id={id}&full=1", "a/b c&d=ü", "https://e.org/get?id=a%2Fb%20c%26d%3D%C3%BC&full=1"),
        ("https://e.org/{+id}.tif", "a/b", "https://e.org/a/b.tif"),
        ("https://e.org/x{?id}", "7", "https://e.org/x?id=7"),
        ("https://e.org/f", "a b", "https://e.org/f/a%20b"),
    ],
)
def test_templates(root: str, key: str, url: str) -> None:
    assert source_url(Location("http", root, key)) == url


@pytest.mark.parametrize("key", ["", "../x", "/x", "a//b", "a\r\nb"])
def test_keys_that_no_template_takes(key: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        source_url(Location("http", "https://e.org/{+id}", key))


def test_a_template_is_fetched(objects: Origin, tmp_path: Path) -> None:
    objects.put("bucket/scan-7.tif", DATA)
    location = place(objects, tmp_path, "7")
    template = Location("http", objects.url("bucket/scan-{id}.tif"), "7", location.options, location.retrieval)
    with open_url(template) as reader:
        assert reader.read(3, 4) == DATA[3:7]
