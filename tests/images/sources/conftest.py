from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from images.sources.http import open_url
from images.sources.location import Location
from images.sources.reader import ByteReader
from tests.images.sources.origin import Canary, Origin


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server


@pytest.fixture
def canary() -> Iterator[Canary]:
    listener = Canary()
    yield listener
    listener.close()


class Fetch(Protocol):
    def __call__(self, url: str, etag: str | None = None, **options: Any) -> ByteReader: ...


@pytest.fixture
def fetch(origin: Origin, tmp_path: Path) -> Fetch:
    """Open a URL with a copies folder of the test's own, allowed to reach 127.0.0.1 on the origin's port."""

    def call(url: str, etag: str | None = None, **options: Any) -> ByteReader:
        resolving = {"resolve": options.pop("resolve")} if "resolve" in options else {}
        settings = {
            "cache_dir": str(tmp_path / "copies"),
            "ports": (80, 443, origin.port),
            "allowed_networks": ("127.0.0.1/32",),
            "total_seconds": 5.0,
            **options,
        }
        return open_url(Location("http", "", url, settings), etag, **resolving)

    return call
