"""Sources that are fetched ahead."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caching.sources.caches import get_source_caches
from images.sources import prefetch, registry
from images.sources.location import Location, Retrieval, Strategy
from images.sources.prefetch import Prefetcher
from images.sources.registry import open_source
from images.sources.retrieval import source_key
from tests.images.sources.ranged import open_ranged, ranged_location
from tests.support import faults
from tests.support.origin import Origin

BODY = b"II*\0" + bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def _caches(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "sources"
    monkeypatch.setitem(registry.SOURCE_KINDS, "ranged", open_ranged)
    get_source_caches.cache_clear()
    yield
    get_source_caches.cache_clear()


def place(origin: Origin, strategy: Strategy = Strategy.CACHE, key: str = "a.tif") -> tuple[Location, str]:
    stored = origin.put(key, BODY)
    location = ranged_location(origin, key, Retrieval(store="shelf", strategy=strategy, prefetch=True))
    return location, f"{len(BODY):x}-{stored.etag}"


@pytest.mark.parametrize("strategy", list(Strategy))
def test_it_is_fetched_once_and_then_it_is_here(objects: Origin, strategy: Strategy) -> None:
    location, etag = place(objects, strategy)
    prefetcher = Prefetcher()
    assert all(prefetcher.request(location, etag) for _ in range(50))
    assert prefetcher.wait()
    assert Prefetcher().request(location, etag)
    assert objects.log.sent() == len(BODY)
    assert get_source_caches().has(source_key(location, etag))
    with open_source(location, etag) as reader:
        assert reader.read(10, 1000) == BODY[10:1010]
    assert objects.log.sent() == len(BODY)


def test_nobody_waits_for_a_store_that_hangs_and_no_more_than_so_many_wait(objects: Origin) -> None:
    places = [place(objects, key=f"{number}.tif") for number in range(80)]
    objects.fail(faults.hang)
    prefetcher = Prefetcher()
    begun = [prefetcher.request(location, etag) for location, etag in places]
    assert 64 <= sum(begun) <= 66
    assert sum(thread.name == "prefetch" for thread in threading.enumerate()) == 2
    objects.mend()
    objects.fail(faults.refuse(404))
    assert prefetcher.wait()


def test_what_lies_here_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(BODY)
    assert not Prefetcher().request(Location("filesystem", str(tmp_path), "a.tif"), "etag")


def test_a_failure_ends_nothing_else(objects: Origin) -> None:
    (first, first_etag), (second, second_etag) = place(objects), place(objects, key="b.tif")
    objects.remove("a.tif")
    prefetcher = Prefetcher(threads=1)
    assert prefetcher.request(first, first_etag)
    assert prefetcher.request(second, second_etag)
    assert prefetcher.wait()
    assert get_source_caches().has(source_key(second, second_etag))
    assert prefetch.get_prefetcher() is prefetch.get_prefetcher()
