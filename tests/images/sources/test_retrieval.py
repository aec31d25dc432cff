"""What stores ask for: ranges, whole copies on disk, whole copies in memory; counted at the origin."""

import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from caching.sources import filling
from caching.sources.caches import SourceCaches, get_source_caches
from images.indexes.ranges import ByteRange
from images.sources import registry, retrieved
from images.sources.errors import (
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.location import Location, Retrieval, Strategy
from images.sources.registry import open_source
from tests.images.sources.ranged import open_ranged, ranged_location
from tests.support import faults
from tests.support.objects import StoredObject
from tests.support.origin import Origin

SIZE = 400_000
KEY = "bucket/map.tif"
RANGES = [ByteRange(1000, 3000), ByteRange(100_000, 100_500), ByteRange(390_000, 400_000)]
NEEDED = sum(one.length for one in RANGES)


def tiff(version: int = 1, size: int = SIZE) -> bytes:
    """Begins like a TIFF; no two stretches of two versions are alike."""
    return b"II*\0" + random.Random(version).randbytes(size - 4)


BODY = tiff()
EVERY = pytest.mark.parametrize("strategy", list(Strategy))


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceCaches]:
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "sources"
    settings.IIIF_SINGLE_FLIGHT_SECONDS = 20.0
    monkeypatch.setitem(registry.SOURCE_KINDS, "ranged", open_ranged)
    monkeypatch.setattr(filling, "PIECE_BYTES", 50_000)
    monkeypatch.setattr(filling, "_PAUSE_SECONDS", 0.001)
    get_source_caches.cache_clear()
    yield get_source_caches()
    get_source_caches().objects.wait()
    get_source_caches.cache_clear()


@pytest.fixture
def origin(objects: Origin) -> Origin:
    objects.put(KEY, BODY)
    return objects


def place(origin: Origin, strategy: Strategy, key: str = KEY) -> Location:
    return ranged_location(origin, key, Retrieval(store="shelf", strategy=strategy))


def etag_of(stored: StoredObject) -> str:
    return f"{len(stored.body):x}-{stored.etag}"


def read(location: Location, etag: str, ranges: list[ByteRange] = RANGES, body: bytes = BODY) -> None:
    with open_source(location, etag) as reader:
        assert reader.stat().byte_size == len(body)
        assert reader.read_many(ranges) == [body[one.start : one.stop] for one in ranges]
        reader.verify()


def other_process() -> None:
    """What is in memory is gone."""
    get_source_caches().objects.wait()
    get_source_caches.cache_clear()


def test_stream_fetches_the_ranges_in_one_round_and_only_once(origin: Origin) -> None:
    location, etag = place(origin, Strategy.STREAM), etag_of(origin.objects[KEY])
    origin.conditions.rtt = 0.05
    read(location, etag)
    assert (origin.log.count(), origin.log.rounds(), origin.log.count(method="HEAD")) == (3, 1, 0)
    assert origin.log.sent() == NEEDED
    read(location, etag)
    other_process()
    read(location, etag, [ByteRange(1500, 2000), RANGES[2]])
    assert origin.log.sent() == NEEDED
    read(location, etag, [ByteRange(2000, 3500), ByteRange(200_000, 200_100)])
    assert origin.log.sent() == NEEDED + 500 + 100


@pytest.mark.parametrize("wait_bytes", [0, 1 << 20])
def test_cache_fetches_the_whole_once(origin: Origin, monkeypatch: pytest.MonkeyPatch, wait_bytes: int) -> None:
    monkeypatch.setattr(retrieved, "WAIT_BYTES", wait_bytes)
    location, etag = place(origin, Strategy.CACHE), etag_of(origin.objects[KEY])
    read(location, etag)
    get_source_caches().objects.wait()
    assert origin.log.sent() == SIZE + (0 if wait_bytes else NEEDED)
    origin.log.clear()
    other_process()
    with open_source(location, etag) as reader:
        descriptor = reader.fileno()
        assert descriptor is not None
        assert os.pread(descriptor, SIZE + 1, 0) == BODY
        assert reader.read(5, 100) == BODY[5:105]
        reader.verify()
    assert origin.log.count() == 0


def test_memory_fetches_the_whole_once_a_process(origin: Origin) -> None:
    location, etag = place(origin, Strategy.MEMORY), etag_of(origin.objects[KEY])
    read(location, etag)
    read(location, etag, [ByteRange(0, SIZE)])
    assert origin.log.sent() == SIZE
    assert not list(get_source_caches().folders["objects"].listing())
    other_process()
    read(location, etag)
    assert origin.log.sent() == 2 * SIZE


def test_what_is_too_large_for_the_memory_is_streamed(origin: Origin, settings: Any) -> None:
    settings.IIIF_SOURCE_MEMORY_BYTES = SIZE
    read(place(origin, Strategy.MEMORY), etag_of(origin.objects[KEY]))
    assert origin.log.sent() == NEEDED


def test_a_decoder_that_needs_the_file_gets_one(origin: Origin) -> None:
    location, etag = place(origin, Strategy.STREAM), etag_of(origin.objects[KEY])
    for _ in range(3):
        with open_source(location, etag) as reader:
            descriptor = reader.fileno()
            assert descriptor is not None
            assert os.pread(descriptor, SIZE, 0) == BODY
    assert origin.log.sent() == SIZE


@EVERY
def test_a_look_at_the_facts_fetches_nothing(origin: Origin, strategy: Strategy) -> None:
    with open_source(place(origin, strategy)) as reader:
        assert reader.stat().etag == etag_of(origin.objects[KEY])
    assert [visit.method for visit in origin.log.visits()] == ["HEAD"]


@EVERY
@pytest.mark.parametrize("threads", [24])
def test_many_cold_requests_cost_what_one_costs(origin: Origin, strategy: Strategy, threads: int) -> None:
    location, etag = place(origin, strategy), etag_of(origin.objects[KEY])
    origin.conditions.rtt = 0.05
    with ThreadPoolExecutor(threads) as pool:
        for one in [pool.submit(read, location, etag) for _ in range(threads)]:
            one.result(30)
    assert origin.log.sent() == (NEEDED if strategy is Strategy.STREAM else SIZE)


MISDEEDS = [faults.reset, faults.reset_in_body, faults.cut, faults.short, faults.lie_about_length, faults.html]


@EVERY
@pytest.mark.parametrize("misdeed", [*MISDEEDS, faults.no_ranges, faults.slow_down])
def test_a_misdeed_that_lasts_is_an_error_and_nothing_is_kept(origin: Origin, strategy: Strategy, misdeed: Any) -> None:
    location, etag = place(origin, strategy), etag_of(origin.objects[KEY])
    origin.fail(misdeed)
    with pytest.raises(SourceError):
        read(location, etag)
    origin.log.clear()
    with pytest.raises(SourceError):
        read(location, etag)
    assert origin.log.count() == 0  # it is not asked again at once
    origin.mend()
    get_source_caches.cache_clear()
    read(location, etag)


@EVERY
@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_misdeed_that_passes_is_not_seen(origin: Origin, strategy: Strategy, misdeed: Any) -> None:
    location, etag = place(origin, strategy), etag_of(origin.objects[KEY])
    origin.fail(misdeed, times=1)
    read(location, etag)


def test_a_web_page_is_not_kept_as_a_whole(origin: Origin) -> None:
    page = b"<!DOCTYPE html>" + bytes(5000)
    stored = origin.put("bucket/page.tif", page)
    location = place(origin, Strategy.CACHE, "bucket/page.tif")
    read(location, etag_of(stored), [ByteRange(0, 15)], page)  # the index says what is wrong with it
    assert not list(get_source_caches().folders["objects"].listing())


def test_a_missing_object_is_asked_for_once_in_a_while(origin: Origin, settings: Any) -> None:
    settings.IIIF_SOURCE_FAILURE_TTL = 100.0
    location, etag = place(origin, Strategy.STREAM), etag_of(origin.objects[KEY])
    origin.remove(KEY)
    for _ in range(5):
        with pytest.raises(SourceNotFoundError):
            read(location, etag)
    asked = origin.log.count()
    assert asked <= len(RANGES)  # the first answer may call off the rest
    with pytest.raises(SourceNotFoundError):
        open_source(location)  # who asks for news gets them
    assert origin.log.count() == asked + 1
    origin.put(KEY, BODY)
    open_source(location).close()
    read(location, etag)


def test_an_origin_that_hangs_delays_no_other(origin: Origin) -> None:
    location, etag = place(origin, Strategy.STREAM), etag_of(origin.objects[KEY])
    other = origin.put("bucket/other.tif", tiff(2))
    origin.fail(faults.hang, KEY)
    with ThreadPoolExecutor(8) as pool:
        hanging = [pool.submit(read, location, etag) for _ in range(4)]
        while origin.log.count(KEY) == 0:
            threading.Event().wait(0.005)
        read(place(origin, Strategy.STREAM, "bucket/other.tif"), etag_of(other), body=tiff(2))
        assert not any(one.done() for one in hanging)
        assert all(isinstance(one.exception(30), SourceUnreachableError) for one in hanging)
    assert origin.log.count(KEY) <= len(RANGES)


@EVERY
def test_a_thousand_replaces_under_sixteen_readers(origin: Origin, strategy: Strategy) -> None:
    size, versions = 60_000, [tiff(number, 60_000) for number in range(20)]
    stored = {etag_of(StoredObject.of(body)): body for body in versions}
    location, key = place(origin, strategy, "bucket/changing.tif"), "bucket/changing.tif"
    origin.put(key, versions[0])
    stop, changed, right = threading.Event(), 0, 0
    lock = threading.Lock()

    def look() -> None:
        nonlocal changed, right
        generator = random.Random(threading.get_ident())
        while not stop.is_set():
            start = generator.randrange(size - 5000)
            ranges = [ByteRange(0, 100), ByteRange(start, start + 5000)]
            try:
                with open_source(location) as reader:
                    bodies = reader.read_many(ranges)
                    reader.verify()
                body = stored[reader.stat().etag]
            except (SourceChangedError, SourceTruncatedError, SourceUnreachableError):
                with lock:
                    changed += 1
                continue
            assert bodies == [body[one.start : one.stop] for one in ranges]
            with lock:
                right += 1

    with ThreadPoolExecutor(16) as pool:
        readers = [pool.submit(look) for _ in range(16)]
        for number in range(1000):
            origin.put(key, versions[number % len(versions)])
            threading.Event().wait(0.002)
        stop.set()
        for one in readers:
            one.result(30)
    assert right > 0


def test_the_disk_that_is_full_is_gone_round(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "sources").write_text("in the way")
    for strategy in Strategy:
        read(place(origin, strategy), etag_of(origin.objects[KEY]))
    with open_source(place(origin, Strategy.STREAM), etag_of(origin.objects[KEY])) as reader:
        reader.fileno()
        assert reader.read(0, SIZE) == BODY


def test_counters_by_store(origin: Origin, caches: SourceCaches) -> None:
    location, etag = place(origin, Strategy.STREAM), etag_of(origin.objects[KEY])
    read(location, etag)
    read(location, etag)
    counted = get_source_caches().stats.snapshot()["shelf"]
    assert (counted["origin_requests"], counted["origin_bytes"]) == (3, NEEDED)
    assert (counted["block_hits"], counted["block_misses"]) == (1, 1)
