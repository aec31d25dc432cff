"""Whole copies from web servers live within the budget of whole copies, too."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caching.sources.caches import get_source_caches
from images.sources.location import Location
from images.sources.registry import open_source
from images.sources.retrieval import source_place
from tests.images.sources.origin import Origin

SIZE = 100_000


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "sources"
    settings.IIIF_SOURCE_CACHE_BYTES = 10 * SIZE
    yield tmp_path / "sources"
    get_source_caches.cache_clear()


def location(origin: Origin, folder: Path, number: int) -> Location:
    options = {"cache_dir": str(folder), "ports": (origin.port,), "allowed_networks": ("127.0.0.0/8",)}
    return Location("http", "", origin.url(f"/{number}.tif"), options)


def test_the_least_recently_used_go_unless_they_are_pinned(origin: Origin, folder: Path) -> None:
    etags = {}
    for number in range(20):
        origin.serve(f"/{number}.tif", bytes([number]) * SIZE)
        with open_source(location(origin, folder, number)) as reader:
            etags[number] = reader.stat().etag
    for path in folder.glob("??/*.source"):
        os.utime(path, (1, 1))
    (folder / "uses").unlink()
    get_source_caches.cache_clear()
    get_source_caches().pins.add(source_place(location(origin, folder, 3)))
    for number in (5, 6):
        open_source(location(origin, folder, number), etags[number]).close()
    get_source_caches().sweep()
    assert sum(path.stat().st_size for path in folder.glob("??/*.source")) <= 10 * SIZE
    for number in (3, 5, 6):
        with open_source(location(origin, folder, number), etags[number]) as reader:
            assert reader.read(0, SIZE) == bytes([number]) * SIZE
        assert len(origin.requests[f"/{number}.tif"]) == 1
    for number in range(20):  # what is gone is fetched again, and is the same version
        with open_source(location(origin, folder, number), etags[number]) as reader:
            assert reader.read(0, SIZE) == bytes([number]) * SIZE
