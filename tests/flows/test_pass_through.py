"""Stored JPEG tiles over HTTP: which are sent as they are, what that costs, and what happens when they are damaged."""

import itertools
from collections.abc import Callable, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from queue import Queue
from typing import Any, cast
from unittest.mock import MagicMock

import numpy as np
import pytest
import pyvips
from django.core.management import call_command
from django.test import Client
from PIL import Image as Pillow
from PIL import ImageCms

from caching.derivatives import get_derivative_cache
from images.decoders.pool import Runner
from images.indexes.ranges import ByteRange
from images.indexes.tiff.index import TiffIndex
from images.models import Image, Tiling
from images.selectors import indexes
from images.services import splicing
from images.services.decoding import get_runner
from images.services.planning import derivative_key
from images.services.requests import resolve_request
from images.sources.kept import keep_source
from images.sources.location import Location
from images.sources.reader import ByteReader
from tests.flows.conftest import Ingest, gradient, png_bytes
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.images.indexes.tiff.writer import UNDEFINED, Tag

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT, TILE = 700, 530, 256
PIXELS = np.asarray(gradient(WIDTH, HEIGHT, 90))
TILE_URL = "/iiif/3/slide/256,0,256,256/256,256/0/default.jpg"


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    indexes._memo.clear()


@pytest.fixture
def slide(ingest: Ingest) -> Image:
    return ingest(jpeg_tiff(PIXELS, TILE, "420", levels=2), "slide.tif", "slide")


class Reads:
    """Sources as they are, but what is read of them is counted."""

    def __init__(self) -> None:
        self.ranges: list[Sequence[ByteRange]] = []
        self.opened = 0

    def open(self, location: Location, etag: str) -> ByteReader:
        self.opened += 1
        reader = keep_source(location, etag)

        def counted(ranges: Sequence[ByteRange]) -> list[bytes]:
            self.ranges.append(ranges)
            return reader.read_many(ranges)

        counting: Any = MagicMock(wraps=reader, read_many=counted)
        counting.__enter__.return_value = counting
        return cast("ByteReader", counting)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    counting = Reads()
    monkeypatch.setattr(splicing, "keep_source", counting.open)
    return counting


@pytest.fixture
def _no_decoders(monkeypatch: pytest.MonkeyPatch, slide: Image) -> None:
    indexes._memo.clear()

    def fail(*_args: object) -> None:
        raise AssertionError("something was decoded")

    monkeypatch.setattr("images.services.producing.get_runner", fail)


def opened(content: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Pillow.open(BytesIO(content)))


@pytest.mark.usefixtures("_no_decoders")
@pytest.mark.parametrize(
    "url",
    [
        TILE_URL,
        "/iiif/3/slide/256,0,256,256/256,/0/default.jpg",
        "/iiif/3/slide/256,0,256,256/max/0/color.jpg",
        "/iiif/3/slide/256,0,256,256/,256/360/default.jpg",
        "/iiif/2/slide/256,0,256,256/256,/0/default.jpg",
        "/iiif/2/slide/256,0,256,256/full/0/color.jpg",
        "/iiif/3/slide/0,0,512,512/256,256/0/default.jpg",
        "/iiif/3/slide/0,0,512,512/pct:50/0/default.jpg",
    ],
)
def test_one_tile_is_one_read_and_no_decode(client: Client, slide: Image, reads: Reads, url: str) -> None:
    response = client.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert int(response["Content-Length"]) == len(response.content)
    assert opened(response.content).shape == (256, 256, 3)
    assert (reads.opened, len(reads.ranges)) == (1, 1)
    (ranges,) = reads.ranges
    assert 0 < sum(one.length for one in ranges) < len(response.content)


@pytest.mark.usefixtures("_no_decoders")
def test_all_spellings_are_one_answer(client: Client, slide: Image) -> None:
    first, second = client.get(TILE_URL), client.get("/iiif/2/slide/256,0,256,256/256,/0/color.jpg")
    assert (first.content, first["ETag"]) == (second.content, second["ETag"])
    assert client.get(TILE_URL, headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert client.head(TILE_URL)["ETag"] == first["ETag"]


@pytest.mark.usefixtures("_no_decoders")
def test_the_index_is_read_once_and_nothing_is_written(
    client: Client, slide: Image, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        client.get(TILE_URL)
    with django_assert_num_queries(1) as queries:  # the test settings trust a record for no time at all
        assert client.get(TILE_URL).status_code == 200
    assert '"index"' not in queries.captured_queries[0]["sql"]
    region, size, rotation, rest = TILE_URL.rsplit("/", 4)[1:]
    asked = resolve_request("slide", region, size, rotation, rest)
    assert not get_derivative_cache().is_kept(derivative_key(asked.served, asked.resolved))


@pytest.mark.parametrize("kind", ["444", "422", "420", "rgb", "gray"])
@pytest.mark.parametrize("writer", ["floor", "ceil"])
def test_a_mosaic_has_no_seams(client: Client, ingest: Ingest, kind: str, writer: str) -> None:
    """Whole tiles are libtiff's pixels to the bit; the ends of the image may be encoded once more, at quality 85."""
    data = jpeg_tiff(PIXELS, TILE, kind, levels=2)
    if writer == "floor":
        made = pyvips.Image.new_from_array(PIXELS)
        made = made.colourspace("b-w") if kind == "gray" else made
        chosen = {"Q": 95 if kind == "444" else 85, "rgbjpeg": kind == "rgb"}
        data = made.tiffsave_buffer(
            compression="jpeg", tile=True, pyramid=True, tile_width=TILE, tile_height=TILE, **chosen
        )
    ingest(data, "slide.tif", "slide")
    level = pyvips.Image.tiffload_buffer(data).numpy()
    for y in range(0, HEIGHT, TILE):
        for x in range(0, WIDTH, TILE):
            width, height = min(TILE, WIDTH - x), min(TILE, HEIGHT - y)
            answer = opened(
                client.get(f"/iiif/3/slide/{x},{y},{width},{height}/{width},{height}/0/default.jpg").content
            )
            expected = np.squeeze(level[y : y + height, x : x + width])
            assert answer.shape == expected.shape
            error = np.abs(answer.astype(int) - expected)
            assert error.max() <= (0 if (width, height) == (TILE, TILE) else 32)
            assert error.mean() < 2


@pytest.mark.parametrize(
    "url",
    [
        "/iiif/3/slide/256,0,256,256/256,256/90/default.jpg",
        "/iiif/3/slide/256,0,256,256/256,256/!0/default.jpg",
        "/iiif/3/slide/256,0,256,256/256,256/0/gray.jpg",
        "/iiif/3/slide/256,0,256,256/256,256/0/default.png",
        "/iiif/3/slide/255,0,256,256/256,256/0/default.jpg",
        "/iiif/3/slide/256,0,256,256/128,128/0/default.jpg",
        "/iiif/3/slide/512,0,188,256/188,256/0/default.jpg",
        "/iiif/3/slide/full/max/0/default.jpg",
    ],
)
def test_what_is_no_stored_tile_is_decoded(client: Client, slide: Image, monkeypatch: Any, url: str) -> None:
    jobs: list[str] = []

    def counted() -> Runner:
        jobs.append(url)
        return get_runner()

    monkeypatch.setattr("images.services.producing.get_runner", counted)
    assert client.get(url).status_code == 200
    assert jobs == [url]


def test_switched_off_or_without_an_index_it_is_decoded(client: Client, slide: Image, settings: Any) -> None:
    spliced = client.get(TILE_URL)
    settings.IIIF_PASS_THROUGH = False
    decoded = client.get(TILE_URL)
    assert decoded["ETag"] != spliced["ETag"]
    assert decoded.content != spliced.content
    settings.IIIF_PASS_THROUGH = True
    Tiling.objects.update(index=None)
    indexes._memo.clear()
    assert client.get(TILE_URL).content == decoded.content


def second(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Changes the second tile only: ingest decodes the corners of the image, and smaller levels."""
    count = itertools.count()
    return lambda tile: change(tile) if next(count) == 1 else tile


@pytest.mark.parametrize(
    "change",
    [
        lambda tile: tile[2:],
        lambda tile: tile[:-2],
        lambda tile: tile[: len(tile) // 2],
        lambda tile: b"\x00" * len(tile),
        lambda tile: tile.replace(b"\xff\xc0", b"\xff\xc9", 1),
        lambda tile: tile.replace(b"\xff\xc0\x00\x11\x08\x01\x00", b"\xff\xc0\x00\x11\x08\x02\x00", 1),
    ],
)
def test_a_damaged_tile_is_never_sent(client: Client, ingest: Ingest, change: Callable[[bytes], bytes]) -> None:
    """The decoder has the last word: a picture, or an error in words."""
    data = jpeg_tiff(PIXELS, TILE, "420", levels=2, change_tile=second(change))
    assert ingest(data, "slide.tif", "slide").state == "ready"
    response = client.get(TILE_URL)
    if response.status_code == 200:
        assert opened(response.content).shape == (256, 256, 3)
        assert response.content[2:4] == b"\xff\xe0"
    else:
        assert (response.status_code, response.json()["error"]) == (500, "decode_failed")
        assert response.json()["detail"]
    assert client.get(TILE_URL.replace("256,0", "0,0", 1)).status_code == 200


@pytest.mark.parametrize("change", [lambda tables: tables[:300], lambda tables: b"", lambda tables: b"\x00" * 40])
def test_damaged_tables_fail_at_ingest(ingest: Ingest, change: Callable[[bytes], bytes]) -> None:
    image = ingest(jpeg_tiff(PIXELS, TILE, "420", change_tables=change), "slide.tif", "slide")
    assert image.state == "ready" or image.error_code == "damaged"


@pytest.mark.usefixtures("_no_decoders")
def test_a_source_that_changed_is_not_read_by_the_old_index(
    client: Client, slide: Image, monkeypatch: Any, tmp_path: Path
) -> None:
    assert client.get(TILE_URL).status_code == 200
    queued: Queue[tuple[str, int]] = Queue()
    monkeypatch.setattr("images.services.producing.enqueue_aside", lambda name, pk: queued.put((name, pk)))
    monkeypatch.setattr("images.services.producing._refreshes", {})
    path = tmp_path / "sources" / "slide.tif"
    other = path.with_suffix(".new")
    other.write_bytes(jpeg_tiff(255 - PIXELS, TILE, "420", levels=2))
    other.replace(path)
    response = client.get(TILE_URL)
    assert response.status_code == 503
    assert response.json()["error"] == "source_changed"
    assert "Retry-After" in response
    assert queued.get(timeout=10) == ("images.refresh", slide.pk)


def test_a_profile_of_srgb_is_no_hindrance_but_another_is(client: Client, ingest: Ingest, reads: Reads) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ingest(jpeg_tiff(PIXELS, TILE, "420", tags={34675: Tag(UNDEFINED, srgb)}), "slide.tif", "slide")
    assert client.get(TILE_URL).status_code == 200
    assert reads.opened == 1
    p3 = bytes(pyvips.Operation.call("profile_load", "p3"))
    ingest(jpeg_tiff(PIXELS, TILE, "420", tags={34675: Tag(UNDEFINED, p3)}), "other.tif", "other")
    assert client.get(TILE_URL.replace("slide", "other")).status_code == 200
    assert reads.opened == 1


def test_indexes_are_remembered_within_a_budget(ingest: Ingest, client: Client, settings: Any) -> None:
    settings.IIIF_INDEX_MEMORY_BYTES = 15_000
    data = jpeg_tiff(PIXELS, TILE, "420", levels=2)
    for name in ("one", "two", "three"):
        ingest(data, f"{name}.tif", name)
        assert client.get(TILE_URL.replace("slide", name)).status_code == 200
    assert 1 <= len(indexes._memo._entries) < 3
    assert indexes._memo._bytes <= 15_000


def test_a_damaged_index_is_as_none(client: Client, slide: Image, caplog: Any) -> None:
    Tiling.objects.update(index=b"\x01 not an index")
    indexes._memo.clear()
    assert client.get(TILE_URL).status_code == 200
    assert "index of this TIFF is damaged" in caplog.text


def test_explain_names_the_bytes(slide: Image) -> None:
    index = TiffIndex.from_bytes(bytes(Tiling.objects.get().index or b""))
    assert index is not None
    place = index.levels[0].piece_range(1, 0)
    assert place is not None
    out = StringIO()
    call_command("explain", TILE_URL, stdout=out)
    assert f"level 0, column 1, row 0: bytes {place.start:,}-{place.stop:,}" in out.getvalue()
    out = StringIO()
    call_command("explain", TILE_URL.replace("256,256/0", "100,100/0"), stdout=out)
    assert "no tile of its own" in out.getvalue()


def test_other_formats_have_no_index_and_the_admin_does_not_show_one(ingest: Ingest, admin_client: Client) -> None:
    picture = ingest(png_bytes(gradient(60, 40)))
    assert Tiling.objects.get(image=picture).index is None
    slide = ingest(jpeg_tiff(PIXELS, TILE, "420"), "slide.tif", "slide")
    page = admin_client.get(f"/admin/images/image/{slide.pk}/change/")
    assert page.status_code == 200
    assert b"tile width" in page.content.lower()
    assert b"field-index" not in page.content
