"""The instruments themselves: what the origin counts is what was asked, and its faults are faults."""

import http.client
import threading
import urllib.error
import urllib.request
from typing import Any

import obstore
import pytest
from obstore.store import HTTPStore, S3Store

from tests.support import faults
from tests.support.objects import Visit, rounds
from tests.support.origin import Origin
from tests.support.server import wait_until

DATA = bytes(range(256)) * 4096


def get(origin: Origin, key: str = "bucket/a.tif", timeout: float = 5, **headers: str) -> tuple[int, bytes, Any]:
    request = urllib.request.Request(origin.url(key), headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


@pytest.fixture
def origin(objects: Origin) -> Origin:
    objects.put("bucket/a.tif", DATA)
    return objects


def test_ranges_and_preconditions(origin: Origin) -> None:
    etag = origin.objects["bucket/a.tif"].etag
    assert get(origin)[:2] == (200, DATA)
    status, body, headers = get(origin, Range="bytes=10-19", If_Match=etag)
    assert (status, body, headers["Content-Range"]) == (206, DATA[10:20], f"bytes 10-19/{len(DATA)}")
    assert get(origin, Range="bytes=-5")[1] == DATA[-5:]
    assert get(origin, Range=f"bytes={len(DATA) - 3}-{len(DATA) + 100}")[1] == DATA[-3:]
    assert get(origin, Range=f"bytes={len(DATA)}-")[0] == 416
    assert get(origin, If_Match='"other"')[0] == 412
    assert get(origin, If_None_Match=etag)[0] == 304
    assert get(origin, "bucket/missing")[0] == 404
    assert origin.log.count("bucket/a.tif") == 7
    assert origin.log.ranges("bucket/a.tif")[:2] == [(10, 20), (len(DATA) - 5, len(DATA))]
    assert sum(v.sent for v in origin.log.visits("bucket/a.tif") if v.status < 300) == len(DATA) + 10 + 5 + 3


def test_replacing_changes_etag_and_bytes_together(origin: Origin) -> None:
    before = origin.objects["bucket/a.tif"].etag
    origin.put("bucket/a.tif", b"other")
    assert get(origin, If_Match=before)[0] == 412
    assert get(origin)[:2] == (200, b"other")


def test_obstore_reads_it_as_s3(origin: Origin) -> None:
    store = S3Store(
        "bucket", endpoint=origin.endpoint, region="us-east-1", access_key_id="x", secret_access_key="y",
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip
    assert obstore.head(store, "a.tif")["size"] == len(DATA)
    pieces = obstore.get_ranges(store, "a.tif", starts=[0, 500_000], ends=[10, 500_010])
    assert [bytes(piece) for piece in pieces] == [DATA[:10], DATA[500_000:500_010]]
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "missing.tif")
    origin.put("bucket/folder/b ü.tif", b"b")
    listed = [entry["path"] for batch in obstore.list(store, "folder") for entry in batch]
    assert listed == ["folder/b ü.tif"]
    obstore.put(store, "written", b"some bytes")
    assert origin.objects["bucket/written"].body == b"some bytes"
    obstore.delete(store, "written")
    assert "bucket/written" not in origin.objects


def test_obstore_reads_it_as_http(origin: Origin) -> None:
    store = HTTPStore(origin.endpoint, client_options={"allow_http": True})
    assert bytes(obstore.get_range(store, "bucket/a.tif", start=5, end=9)) == DATA[5:9]


def test_rounds_are_what_must_wait_for_another() -> None:
    def visit(began: float, ended: float) -> Visit:
        return Visit("GET", "a", {}, began=began, ended=ended)

    assert rounds([]) == 0
    assert rounds([visit(0, 1), visit(0.1, 1.1), visit(0.9, 1.9)]) == 1
    assert rounds([visit(0, 1), visit(1, 2), visit(1.5, 2.5), visit(3, 4)]) == 3
    assert rounds([visit(0, 10), visit(1, 2), visit(3, 4)]) == 2


def test_rounds_and_the_busiest_moment_are_counted(origin: Origin) -> None:
    origin.conditions.rtt = 0.1
    threads = [threading.Thread(target=get, args=(origin,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (origin.log.rounds(), origin.log.busiest) == (1, 5)
    get(origin)
    assert (origin.log.rounds(), origin.log.count()) == (2, 6)
    assert wait_until(lambda: origin.log.running == 0)  # who has the answer may be ahead of who sent it
    origin.log.clear()
    assert (origin.log.rounds(), origin.log.count(), origin.log.busiest) == (0, 0, 0)


@pytest.mark.parametrize("misdeed", [faults.cut, faults.lie_about_length, faults.reset, faults.reset_in_body])
def test_bodies_that_do_not_come(origin: Origin, misdeed: faults.Misdeed) -> None:
    origin.fail(misdeed, "bucket/a.tif", times=1)
    with pytest.raises((http.client.HTTPException, OSError)):
        get(origin)
    assert get(origin)[:2] == (200, DATA), "only one was to fail"


@pytest.mark.parametrize("misdeed", [faults.hang, faults.hang_in_body])
def test_hanging_ends_with_the_client_or_when_mended(origin: Origin, misdeed: faults.Misdeed) -> None:
    origin.fail(misdeed, method="GET")
    with pytest.raises((TimeoutError, OSError)):
        get(origin, timeout=0.2)
    origin.mend()
    assert get(origin)[0] == 200


def test_other_wrong_answers(origin: Origin) -> None:
    origin.fail(faults.html, times=1)
    assert get(origin)[:2] == (200, faults.LOGIN_PAGE)
    origin.fail(faults.no_ranges, times=1)
    assert get(origin, Range="bytes=1-2")[:2] == (200, DATA)
    origin.fail(faults.short, times=1)
    assert get(origin, Range="bytes=0-99")[:2] == (206, DATA[:90])
    origin.fail(faults.other_bytes, times=1)
    assert get(origin, Range="bytes=0-99")[:2] == (206, bytes(100))
    origin.fail(faults.refuse(503, "SlowDown", retry_after=3), times=1)
    status, body, headers = get(origin)
    assert (status, headers["Retry-After"]) == (503, "3")
    assert b"<Code>SlowDown</Code>" in body
    origin.fail(faults.redirect("/bucket/b.tif"), "bucket/a.tif", times=1)
    origin.put("bucket/b.tif", b"elsewhere")
    assert get(origin)[:2] == (200, b"elsewhere")


def test_bandwidth_is_a_lower_bound_of_time(origin: Origin) -> None:
    origin.conditions.bandwidth = len(DATA) / 0.2
    get(origin)
    assert wait_until(lambda: origin.log.visits()[0].ended is not None)  # the client has all of it a little earlier
    [visit] = origin.log.visits()
    assert visit.ended is not None
    assert visit.ended - visit.began >= 0.19
