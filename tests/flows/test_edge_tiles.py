"""Stored JPEG tiles that reach beyond the image's end: decoded alone, to the bytes that the whole source gives."""

from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client

from images.services.decoding import get_runner
from tests.flows.conftest import Ingest
from tests.images.indexes.tiff.jpeg import jpeg_tiff

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT, TILE = 523, 391, 64


def test_an_edge_tile_is_decoded_from_its_own_bytes(
    client: Client, ingest: Ingest, settings: Any, monkeypatch: Any
) -> None:
    settings.IIIF_TILE_SIZE = TILE
    pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    ingest(jpeg_tiff(pixels, TILE, "420", levels=2), "edge.tif", "edge")
    sources: list[str] = []
    runner = get_runner()
    run = runner.run

    def watched(job: Any, data: Any, **options: Any) -> Any:
        sources.append(job["kind"] if job["kind"] == "cut" else job["plan"]["source_format"])
        return run(job, data, **options)

    monkeypatch.setattr(runner, "run", watched)
    tiles = ("512,0,11,64/11,64", "0,384,64,7/64,7", "512,384,11,7/11,7")
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
