"""Regions of TIFFs over HTTP: what is read for them, that nothing else changes, and what happens to damaged ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import numpy as np
import pytest
from django.test import Client

from caching.derivatives import get_derivative_cache
from images.indexes.ranges import ByteRange
from images.indexes.tiff.index import TiffIndex
from images.models import Image, Tiling
from images.selectors import indexes
from images.services import producing
from images.sources.files import file_etag
from images.sources.kept import keep_source
from images.sources.location import Location
from images.sources.reader import ByteReader
from tests.flows.conftest import Ingest, gradient
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.images.indexes.tiff.pixels import pixel_tiff

pytestmark = pytest.mark.django_db(transaction=True)

TILE = 256
PIXELS = np.asarray(gradient(700, 530, 90))
TILE_URL = "/iiif/3/scan/256,0,256,256/256,256/0/default.jpg"
URLS = (
    TILE_URL,
    "/iiif/3/scan/512,512,188,18/max/0/default.jpg",
    "/iiif/3/scan/0,0,512,512/256,256/0/default.jpg",
    "/iiif/3/scan/100,100,300,300/150,150/90/gray.png",
    "/iiif/3/scan/full/200,/0/default.jpg",
)


@pytest.fixture(autouse=True)
def _nothing_is_remembered(settings: Any) -> None:
    settings.IIIF_KEPT_LEVEL_SIZE = 0
    indexes._memo.clear()


class Reads:
    """Sources as they are, but what is read of them is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[Sequence[ByteRange]] = []
        monkeypatch.setattr(producing, "keep_source", self._open)
        monkeypatch.setattr(producing, "open_source", self._refuse)

    def _open(self, location: Location, etag: str) -> ByteReader:
        reader = keep_source(location, etag)

        def counted(ranges: Sequence[ByteRange]) -> list[bytes]:
            self.ranges.append(ranges)
            return reader.read_many(ranges)

        # Without a descriptor, as a source that is no file: what is read of it is asked for here.
        methods = {"read_many": counted, "fileno": lambda: None}
        counting: Any = MagicMock(spec_set=("read_many", "fileno", "verify", "__enter__", "__exit__"), **methods)
        counting.__enter__.return_value = counting
        counting.__exit__.return_value = None
        return cast("ByteReader", counting)

    def _refuse(self, *_args: object, **_options: object) -> ByteReader:
        raise AssertionError("the whole source was opened")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def index_of(image: Image) -> TiffIndex:
    index = TiffIndex.from_bytes(bytes(Tiling.objects.get(image=image).index or b""))
    assert index is not None
    return index


def test_a_tile_is_one_read_of_its_own_bytes(client: Client, ingest: Ingest, reads: Reads) -> None:
    image = ingest(pixel_tiff(PIXELS, TILE, 8, levels=2), "scan.tif", "scan")
    reads.ranges.clear()
    response = client.get(TILE_URL)
    assert response.status_code == 200
    assert reads.ranges == [(index_of(image).levels[0].piece_range(1, 0),)]
    reads.ranges.clear()
    assert client.get("/iiif/3/scan/0,0,512,512/256,256/0/default.jpg").status_code == 200
    assert reads.ranges == [(index_of(image).levels[1].piece_range(0, 0),)]
    reads.ranges.clear()
    assert client.get("/iiif/3/scan/200,200,100,100/max/0/default.jpg").status_code == 200
    ((ranges,),) = [reads.ranges]
    first, last = index_of(image).levels[0].piece_range(0, 0), index_of(image).levels[0].piece_range(1, 1)
    assert first is not None
    assert last is not None
    assert [one.length for one in ranges] == [last.stop - first.start], "a gap of one small tile is read along"


@pytest.mark.parametrize("compression", [1, 8, 7])
def test_nothing_else_changes(client: Client, ingest: Ingest, settings: Any, compression: int) -> None:
    data = jpeg_tiff(PIXELS, TILE, levels=2) if compression == 7 else pixel_tiff(PIXELS, TILE, compression, levels=2)
    ingest(data, "scan.tif", "scan")
    by_pieces = [client.get(url) for url in URLS]
    settings.IIIF_TIFF_PIECES = False
    get_derivative_cache().discard_image(Image.objects.get().uuid.hex)
    get_derivative_cache.cache_clear()
    from_file = [client.get(url) for url in URLS]
    assert [response.status_code for response in from_file] == [200] * len(URLS)
    for one, other in zip(by_pieces, from_file, strict=True):
        assert (one.content, one["ETag"]) == (other.content, other["ETag"])


@pytest.mark.parametrize("url", [TILE_URL, "/iiif/3/scan/200,0,100,100/max/90/default.jpg"])
@pytest.mark.parametrize("compression", [7, 8])
def test_damage_is_told(client: Client, ingest: Ingest, tmp_path: Path, url: str, compression: int) -> None:
    data = bytearray(pixel_tiff(PIXELS, TILE, 8) if compression == 8 else jpeg_tiff(PIXELS, TILE))
    image = ingest(bytes(data), "scan.tif", "scan")
    place = index_of(image).levels[0].piece_range(1, 0)
    assert place is not None
    data[place.start : place.start + 2] = b"\xff\xff"
    with (tmp_path / "sources" / "scan.tif").open("r+b") as file:
        file.write(data)
    changed = (tmp_path / "sources" / "scan.tif").stat()
    Tiling.objects.filter(image=image).update(etag=file_etag(changed))
    damaged = client.get(url)
    assert (damaged.status_code, damaged.json()["error"]) == (500, "decode_failed")
    assert client.get("/iiif/3/scan/0,0,256,256/max/0/default.jpg").status_code == 200, "others are whole"
