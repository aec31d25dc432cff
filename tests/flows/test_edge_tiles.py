"""Stored JPEG tiles that reach beyond the image's end: decoded alone, to the bytes that the whole source gives."""

import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import numpy as np
import pytest
import pyvips
from django.core.management import call_command
from django.test import Client

from caching.derivatives import get_derivative_cache
from images.services.decoding import get_runner
from images.services.orders import get_workshop
from images.services.planning import derivative_key
from images.services.requests import resolve_request
from tests.flows.conftest import Ingest
from tests.images.indexes.tiff.jpeg import jpeg_tiff

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT, TILE = 523, 391, 64


@pytest.fixture(autouse=True)
def _nothing_made_ahead(settings: Any) -> None:
    settings.IIIF_KEPT_LEVEL_SIZE = 0


def rounded_down(pixels: Any) -> bytes:
    """Levels as libvips makes them: what does not fill a pixel is left out."""
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
    options = {"compression": "jpeg", "tile": True, "tile_width": TILE, "tile_height": TILE, "pyramid": True}
    data: bytes = image.tiffsave_buffer(**options)
    return data


@pytest.mark.parametrize(
    ("write", "tiles"),
    [
        (
            lambda pixels: jpeg_tiff(pixels, TILE, "420", levels=2),
            ("512,0,11,64/11,64", "0,384,64,7/64,7", "512,384,11,7/11,7"),
        ),
        (rounded_down, ("512,0,11,128/6,64", "0,384,128,7/64,4", "512,384,11,7/6,4")),
    ],
    ids=["as long as it should be", "rounded down"],
)
def test_an_edge_tile_is_decoded_from_its_own_bytes(
    client: Client,
    ingest: Ingest,
    settings: Any,
    monkeypatch: Any,
    write: Callable[[Any], bytes],
    tiles: tuple[str, str, str],
) -> None:
    settings.IIIF_TILE_SIZE = TILE
    settings.IIIF_METATILE_SIZE = 0
    pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    ingest(write(pixels), "edge.tif", "edge")
    sources: list[str] = []
    runner = get_runner()
    run = runner.run

    def watched(job: Any, data: Any, **options: Any) -> Any:
        sources.append(job["plan"]["source_format"] if "plan" in job else job["kind"])
        return run(job, data, **options)

    monkeypatch.setattr(runner, "run", watched)
    urls = [f"/iiif/3/edge/{tile}/0/default.jpg" for tile in tiles]
    alone = [client.get(url).getvalue() for url in urls]
    assert sources
    assert set(sources) == {"cut"}
    settings.IIIF_PASS_THROUGH = False
    sources.clear()
    assert [client.get(url).getvalue() for url in urls] == alone
    assert sources == ["tiff"] * 3


@pytest.fixture(name="jobs")
def _jobs(ingest: Ingest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What decoders are asked to do for an image with metatiles, each with the number of tiles that come of it."""
    settings.IIIF_TILE_SIZE = TILE
    settings.IIIF_METATILE_SIZE = 4 * TILE
    pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    ingest(jpeg_tiff(pixels, TILE, "420", levels=2), "edge.tif", "edge")
    asked: list[Any] = []
    runner = get_runner()
    run = runner.run

    def watched(job: Any, data: Any, **options: Any) -> Any:
        asked.append((job["kind"], len(job.get("jobs", [0]))))
        return run(job, data, **options)

    monkeypatch.setattr(runner, "run", watched)
    return asked


RIGHT_END = [f"/iiif/3/edge/512,{y},11,64/11,64/0/default.jpg" for y in range(0, 384, TILE)]


def wait_for_the_others() -> None:
    until = time.monotonic() + 10
    while get_workshop()._promises:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_second_edge_tile_is_made_with_those_beside_it(client: Client, settings: Any, jobs: list[Any]) -> None:
    together = [client.get(RIGHT_END[0]).getvalue(), client.get(RIGHT_END[1]).getvalue()]
    assert jobs == [("cut", 1), ("cuts", 14)]  # all of both ends, 9 + 7 - 1, but the first one
    wait_for_the_others()
    together += [client.get(url).getvalue() for url in RIGHT_END[2:]]
    corner = client.get("/iiif/3/edge/512,384,11,7/11,7/0/default.jpg").getvalue()
    assert len(jobs) == 2
    cache = get_derivative_cache()
    for tile in ("512,128,11,64", "512,384,11,7"):
        asked = resolve_request("edge", tile, "11,64" if tile.endswith("64") else "11,7", "0", "default.jpg")
        key = derivative_key(asked.served, asked.resolved)
        assert cache.remembers(key)
        assert not cache.is_kept(key)

    settings.IIIF_METATILE_SIZE = 0
    cache.discard_all()
    jobs.clear()
    assert [client.get(url).getvalue() for url in RIGHT_END] == together
    assert client.get("/iiif/3/edge/512,384,11,7/11,7/0/default.jpg").getvalue() == corner
    assert jobs == [("cut", 1)] * (len(RIGHT_END) + 1)


def test_a_damaged_tile_beside_it_harms_no_other(
    client: Client, settings: Any, jobs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = get_runner().run

    def damaging(job: Any, data: Any, **options: Any) -> Any:
        """The third tile of several is not what its head says."""
        if job["kind"] == "cuts":
            job["jobs"][2]["stored"] = [8, 8, 3]
        return run(job, data, **options)

    monkeypatch.setattr(get_runner(), "run", damaging)
    answers = [client.get(url).getvalue() for url in RIGHT_END]
    assert jobs[:2] == [("cut", 1), ("cuts", 14)]
    assert jobs.count(("cut", 1)) >= 2  # those that came after it, alone
    wait_for_the_others()
    settings.IIIF_METATILE_SIZE = 0
    get_derivative_cache().discard_all()
    assert [client.get(url).getvalue() for url in RIGHT_END] == answers


def test_explain_does_not_promise_what_may_not_be(ingest: Ingest, settings: Any) -> None:
    settings.IIIF_TILE_SIZE = TILE
    pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    ingest(jpeg_tiff(pixels, TILE, "420", levels=2), "edge.tif", "edge")

    def explained(tile: str) -> str:
        out = StringIO()
        call_command("explain", f"/iiif/3/edge/{tile}/0/default.jpg", stdout=out)
        return out.getvalue()

    assert "nothing is decoded" in explained("0,0,64,64/64,64")
    assert "may have to be decoded" in explained("512,0,11,64/11,64")
