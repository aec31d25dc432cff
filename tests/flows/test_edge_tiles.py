"""Stored JPEG tiles that reach beyond the image's end: decoded alone, to the bytes that the whole source gives."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import numpy as np
import pytest
import pyvips
from django.core.management import call_command
from django.test import Client

from images.services.decoding import get_runner
from tests.flows.conftest import Ingest
from tests.images.indexes.tiff.jpeg import jpeg_tiff

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT, TILE = 523, 391, 64


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
    pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    ingest(write(pixels), "edge.tif", "edge")
    sources: list[str] = []
    runner = get_runner()
    run = runner.run

    def watched(job: Any, data: Any, **options: Any) -> Any:
        sources.append(job["kind"] if job["kind"] == "cut" else job["plan"]["source_format"])
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
