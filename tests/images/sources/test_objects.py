"""Object storage: how many requests a read takes, what is pinned, and what happens when a store misbehaves."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import pytest

from images.indexes.ranges import ByteRange
from images.sources.credentials import Credentials
from images.sources.errors import (
    SourceAnswerError,
    SourceChangedError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.location import Location, Retrieval
from images.sources.object_store import PART_BYTES, Pin, open_object
from images.sources.reader import ByteReader
from tests.support import faults
from tests.support.moto import Moto
from tests.support.origin import Origin

DATA = os.urandom(200_000)
SECRET = "correct-horse-battery-staple"


def place(origin: Origin, key: str = "map.jp2", kind: str = "s3", **options: Any) -> Location:
    retrieval = options.pop("retrieval", Retrieval())
    given = {"endpoint_url": origin.endpoint, "anonymous": True, "retry_seconds": 2.0, **options}
    return Location(kind, "bucket", key, given, retrieval)


def moto_options(moto: Moto) -> dict[str, Any]:
    credentials = Credentials("env:MOTO", lambda _prefix: {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"})
    return {"endpoint_url": moto.endpoint, "credentials": credentials}


@pytest.fixture
def pinned(objects: Origin) -> Callable[..., ByteReader]:
    """Open the version that is there as a warm request does: by its known etag."""

    def call(**options: Any) -> ByteReader:
        location = place(objects, **options)
        objects.put("bucket/map.jp2", DATA)
        with open_object(location) as reader:
            etag = reader.stat().etag
        objects.log.clear()
        return open_object(location, etag)

    return call


def test_a_known_version_is_opened_without_a_request(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    with pinned() as reader:
        assert reader.stat().byte_size == len(DATA)
    assert objects.log.count() == 0


def test_ranges_come_in_one_round(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    ranges = [ByteRange(start, start + 1000) for start in range(0, 160_000, 20_000)]
    with pinned() as reader:
        reader.read(0, 1)  # the connection is there
        objects.log.clear()
        objects.conditions.rtt = 0.1
        assert reader.read_many(ranges) == [DATA[one.start : one.stop] for one in ranges]
    assert objects.log.rounds() == 1
    assert sorted(objects.log.ranges()) == [(one.start, one.stop) for one in ranges]
    assert {visit.status for visit in objects.log.visits()} == {206}
    assert {visit.method for visit in objects.log.visits()} == {"GET"}
    assert all(visit.headers["if-match"] for visit in objects.log.visits())


def test_nothing_is_asked_for_nothing(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    with pinned() as reader:
        assert reader.read_many([ByteRange(3, 3), ByteRange(5, 5)]) == [b"", b""]
        with pytest.raises(SourceTruncatedError):
            reader.read(len(DATA), 1)
    assert objects.log.count() == 0


def test_long_ranges_are_fetched_in_parts(objects: Origin) -> None:
    data = os.urandom(2 * PART_BYTES + 5)
    objects.put("bucket/long.tif", data)
    with open_object(place(objects, "long.tif")) as reader:
        assert reader.read(1, len(data) - 1) == data[1:]
    assert sorted(objects.log.ranges()) == [
        (1, PART_BYTES + 1), (PART_BYTES + 1, 2 * PART_BYTES + 1), (2 * PART_BYTES + 1, len(data))
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["s3", "gcs", "azure"])
def test_a_replaced_object_is_found_out_by_the_first_read(objects: Origin, kind: str) -> None:
    options = {"account_name": "account"} if kind == "azure" else {}
    location = place(objects, kind=kind, **options)
    objects.put("bucket/map.jp2", DATA)
    with open_object(location) as reader:
        etag = reader.stat().etag
    objects.put("bucket/map.jp2", DATA[::-1])
    with open_object(location, etag) as reader, pytest.raises(SourceChangedError):
        reader.read_many([ByteRange(0, 4), ByteRange(50, 60)])


def test_a_server_that_ignores_if_match_is_found_out(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    def deaf(exchange: Any) -> None:
        del exchange.headers["If-Match"]
        exchange.deliver()

    with pinned() as reader:
        objects.put("bucket/map.jp2", DATA[::-1])
        objects.fail(deaf)
        with pytest.raises(SourceChangedError):
            reader.read(0, 4)


def test_readers_never_mix_versions(objects: Origin) -> None:
    """Two hundred replaces under four readers."""
    versions = [bytes([number]) * 50_000 for number in range(200)]
    objects.put("bucket/map.jp2", versions[0])
    mixed: list[bytes] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                with open_object(place(objects)) as reader:
                    found = b"".join(reader.read_many([ByteRange(0, 10), ByteRange(40_000, 40_010)]))
                    found += reader.read(20_000, 10)
            except SourceChangedError:
                continue
            if len(set(found)) != 1:
                mixed.append(found)

    threads = [threading.Thread(target=read) for _number in range(4)]
    for thread in threads:
        thread.start()
    for version in versions:
        objects.put("bucket/map.jp2", version)
        stop.wait(0.005)
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []


@pytest.mark.parametrize(
    ("misdeed", "error"),
    [
        (faults.refuse(403, "AccessDenied"), SourceForbiddenError),
        (faults.refuse(401, "Unauthorized"), SourceForbiddenError),
        (faults.refuse(404, "NoSuchKey"), SourceNotFoundError),
        (faults.refuse(418, "Teapot"), SourceAnswerError),
        (faults.slow_down, SourceUnreachableError),
        (faults.reset, SourceUnreachableError),
        (faults.html, SourceError),
        (faults.no_ranges, SourceError),
        (faults.short, SourceError),
        (faults.cut, SourceError),
        (faults.lie_about_length, SourceError),
    ],
)
def test_what_a_store_may_do_wrong(
    objects: Origin, pinned: Callable[..., ByteReader], misdeed: faults.Misdeed, error: type[SourceError]
) -> None:
    with pinned(retries=1, retry_seconds=0.5) as reader:
        objects.fail(misdeed)
        with pytest.raises(error) as caught:
            reader.read_many([ByteRange(0, 1000), ByteRange(90_000, 91_000)])
        assert caught.value.detail.endswith(".")
        objects.mend()
        assert reader.read(0, 10) == DATA[:10]


@pytest.mark.parametrize("misdeed", [faults.hang, faults.hang_in_body])
def test_a_store_that_hangs_is_given_up(
    objects: Origin, pinned: Callable[..., ByteReader], misdeed: faults.Misdeed
) -> None:
    with pinned(read_seconds=0.2, retries=1, retry_seconds=0.5) as reader:
        objects.fail(misdeed)
        with pytest.raises(SourceUnreachableError):
            reader.read(0, 100_000)
        objects.mend()
        assert reader.read(0, 10) == DATA[:10]


def test_a_store_that_drips_is_given_up(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    """Each wait is short, but all of them together are too long."""
    with pinned(total_seconds=0.5) as reader:
        objects.conditions.bandwidth = 64 * 1024 / 0.8  # a piece in 0.8 seconds
        with pytest.raises(SourceUnreachableError, match="in time"):
            reader.read_many([ByteRange(0, 180_000)])


def test_passing_faults_are_tried_again_and_no_more_often_than_said(
    objects: Origin, pinned: Callable[..., ByteReader]
) -> None:
    with pinned(retries=2) as reader:
        objects.fail(faults.slow_down, times=2)
        assert reader.read(0, 10) == DATA[:10]
        assert objects.log.count() == 3
        objects.log.clear()
        objects.fail(faults.slow_down)
        with pytest.raises(SourceUnreachableError):
            reader.read(0, 10)
        assert objects.log.count() == 3


def test_what_will_not_get_better_is_not_tried_again(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    with pinned() as reader:
        for status in (400, 403, 404, 412):
            objects.log.clear()
            objects.mend()
            objects.fail(faults.refuse(status))
            with pytest.raises(SourceError):
                reader.read(0, 10)
            assert objects.log.count() == 1


def test_connections_are_limited_by_store(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    with pinned(retrieval=Retrieval("s", max_connections=3)) as reader:
        objects.conditions.rtt = 0.05
        reader.read_many([ByteRange(start, start + 10) for start in range(0, 120, 10)])
    assert objects.log.busiest == 3
    assert objects.log.rounds() == 4


def test_bandwidth_is_limited_by_store(objects: Origin, pinned: Callable[..., ByteReader]) -> None:
    """100,000 bytes a second: the sixth piece of 10,000 may not be asked for before half a second is over."""
    with pinned(retrieval=Retrieval("s", max_bytes_per_second=100_000)) as reader:
        reader.read_many([ByteRange(start, start + 10_000) for start in range(0, 60_000, 10_000)])
    visits = objects.log.visits()
    assert visits[-1].began - visits[0].began > 0.45


def test_one_client_serves_all_keys_and_threads(objects: Origin) -> None:
    for number in range(8):
        objects.put(f"bucket/{number}.tif", DATA)
        with open_object(place(objects, f"{number}.tif")) as reader:
            assert reader.read(0, 4) == DATA[:4]
    assert objects.log.count() == 16
    assert objects.connections == 1


def test_the_pin_of_an_object_without_an_etag_is_its_time() -> None:
    meta = {"size": 10, "e_tag": None, "version": "v1", "last_modified": datetime(2024, 1, 1, tzinfo=UTC)}
    pin = Pin.of(meta, versioned=True)
    assert str(pin) == "a-t1704067200000000@v1"
    assert Pin.parse(str(pin)) == pin
    assert Pin.of(meta, versioned=False).conditions() == {}


def test_versioned_buckets_keep_what_was_replaced(moto: Moto) -> None:
    moto.make_bucket("versioned")
    client = boto3.client(
        "s3",
        endpoint_url=moto.endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    client.close()
    location = Location("s3", "versioned", "a.tif", {**moto_options(moto), "versioned": True})
    moto.put("versioned", "a.tif", DATA)
    with open_object(location) as reader:
        old = reader.stat().etag
    moto.put("versioned", "a.tif", DATA[::-1])
    with open_object(location, old) as reader:
        assert reader.read(0, len(DATA)) == DATA
    with open_object(location) as reader:
        assert reader.stat().etag != old
        assert reader.read(0, 10) == DATA[::-1][:10]


KEYS = ["a b/ü?x#y%2F.tif", "p/~t+p&=.tif", "100%.tif", "p/%41.tif", "[x]{y}|^`<>*.tif", "e\u0301.tif", "日本.jp2"]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_taken_as_they_are(moto: Moto, key: str) -> None:
    moto.make_bucket("names")  # once more is no error
    moto.put("names", f"in/{key}", DATA)
    location = Location("s3", "names/in/", key, moto_options(moto))
    with open_object(location) as reader:
        assert reader.read(5, 7) == DATA[5:12]


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/..", "a\\b", "a\0"])
def test_keys_that_lead_elsewhere(objects: Origin, key: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        open_object(Location("s3", "bucket/scans", key, {"endpoint_url": objects.endpoint, "anonymous": True}))
    assert objects.log.count() == 0


def _answer_the_secret(exchange: Any, status: int) -> None:
    exchange.answer(status, f"<x>{SECRET}</x>".encode())


def test_secrets_are_in_no_message(objects: Origin, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in messages nor in what stands behind them: a signature's query, a key, an access token."""
    secrets = {"SAS_TOKEN": f"sv=2022&sig={SECRET}", "ACCESS_KEY_ID": "AKIA", "SECRET_ACCESS_KEY": SECRET}
    credentials = Credentials("env:X", lambda _prefix: secrets)
    for kind, status in (("azure", 403), ("azure", 500), ("azure", 404), ("s3", 403), ("s3", 500)):
        account = {"account_name": "account"} if kind == "azure" else {}
        location = place(objects, kind=kind, anonymous=False, credentials=credentials, retries=0, **account)
        objects.fail(partial(_answer_the_secret, status=status), times=1)
        with pytest.raises(SourceError) as caught:
            open_object(location)
        error = caught.value
        assert SECRET not in f"{error!r} {error} {error.technical} {error.__cause__!r}"
        assert SECRET not in repr(location)
    assert SECRET not in caplog.text


def test_credentials_are_read_anew_after_a_refusal(objects: Origin) -> None:
    objects.put("bucket/map.jp2", DATA)
    keys = iter(["OLD", "NEW"])
    credentials = Credentials("env:ROTATED", lambda _p: {"ACCESS_KEY_ID": next(keys), "SECRET_ACCESS_KEY": SECRET})
    location = place(objects, anonymous=False, credentials=credentials)
    objects.fail(faults.refuse(403, "InvalidAccessKeyId"), times=1)
    with pytest.raises(SourceForbiddenError):
        open_object(location)
    with open_object(location) as reader:
        assert reader.read(0, 4) == DATA[:4]
    used = [visit.headers["authorization"] for visit in objects.log.visits()]
    assert "Credential=OLD/" in used[0]
    assert all("Credential=NEW/" in one for one in used[1:])


def test_a_store_that_is_set_up_wrongly(objects: Origin) -> None:
    with pytest.raises(SourceNotAllowedError, match="not set up"):
        open_object(Location("s3", "bucket", "a.tif", {"colour": "red"}))


FORKED = """
import os, sys
from images.sources.errors import SourceError
from images.sources.location import Location
from images.sources.object_store import open_object
location = Location("s3", "bucket", "map.jp2", {"endpoint_url": sys.argv[1], "anonymous": True})
if sys.argv[2] == "used":
    open_object(location).close()
pid = os.fork()
if pid == 0:
    try:
        print(open_object(location).read(0, 4), flush=True)
    except SourceError as error:
        print(error.technical, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


@pytest.mark.parametrize(("before", "says"), [("unused", "b'abcd'"), ("used", "was forked")])
def test_a_forked_child_works_or_says_why_not(objects: Origin, before: str, says: str) -> None:
    objects.put("bucket/map.jp2", b"abcd")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKED, objects.endpoint, before],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, _errors = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert says in output
