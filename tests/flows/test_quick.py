"""Tiles that are made as fast as they are written: kept by the second demand, everything else by the first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client

from caching.derivatives import get_derivative_cache
from iiifserver.origins import Origins
from images.iiif.geometry import Size
from images.indexes.errors import DamagedError
from images.indexes.tiff.splice import Frame, splice
from images.selectors import indexes
from images.services import planning, rendering
from images.services.offload import Offload
from images.services.planning import derivative_key
from images.services.requests import resolve_request
from images.views.offloading import OffloadingShortcut
from tests.flows.conftest import Ingest, gradient
from tests.flows.test_shortcut import Answer
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.images.indexes.tiff.pixels import pixel_tiff

pytestmark = pytest.mark.django_db(transaction=True)

TILE = 256
PIXELS = np.asarray(gradient(700, 530, 90))
INNER, RIGHT = "256,0,256,256/256,256/0/default", "512,0,188,256/188,256/0/default"


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """The cache and its memory of demands are as old as the process."""
    get_derivative_cache.cache_clear()
    indexes._memo.clear()
    yield
    get_derivative_cache.cache_clear()


def kept_after_each(client: Client, url: str) -> list[bool]:
    """Whether the answer is kept after the first, the second and the third request, which get one answer all."""
    region, size, rotation, rest = url.removeprefix("/iiif/3/scan/").split("/")
    asked = resolve_request("scan", region, size, rotation, rest)
    key = derivative_key(asked.served, asked.resolved)
    kept, bodies = [], set()
    for _ in range(3):
        bodies.add(client.get(url).getvalue())
        kept.append(get_derivative_cache().is_kept(key))
    assert len(bodies) == 1
    return kept


@pytest.mark.parametrize("compression", [1, 8])
def test_a_plain_tile_is_kept_by_the_second_demand(client: Client, ingest: Ingest, compression: int) -> None:
    ingest(pixel_tiff(PIXELS, tile=TILE, compression=compression), "scan.tif", "scan")
    assert kept_after_each(client, f"/iiif/3/scan/{INNER}.jpg") == [False, True, True]


def test_a_tile_at_the_end_is_kept_by_the_second_demand(client: Client, ingest: Ingest) -> None:
    ingest(jpeg_tiff(PIXELS, TILE, "420", levels=2), "scan.tif", "scan")
    assert kept_after_each(client, f"/iiif/3/scan/{RIGHT}.jpg") == [False, True, True]


@pytest.mark.parametrize("url", [f"{INNER}.png", "0,0,512,512/256,256/0/default.jpg", "0,0,512,512/512,/0/default.jpg"])
def test_what_takes_longer_is_kept_at_once(client: Client, ingest: Ingest, url: str) -> None:
    ingest(pixel_tiff(PIXELS, tile=TILE, compression=8), "scan.tif", "scan")
    assert kept_after_each(client, f"/iiif/3/scan/{url}") == [True, True, True]


def test_all_is_kept_at_once_where_settings_say_so(client: Client, ingest: Ingest, settings: Any) -> None:
    settings.IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS = 0
    ingest(pixel_tiff(PIXELS, tile=TILE, compression=8), "scan.tif", "scan")
    assert kept_after_each(client, f"/iiif/3/scan/{INNER}.jpg") == [True, True, True]


@pytest.mark.parametrize("tile", [INNER, RIGHT])
@pytest.mark.parametrize("compression", [7, 8])
def test_where_a_web_server_sends_tiles_the_first_demand_writes_one(
    ingest: Ingest, settings: Any, tmp_path: Path, tile: str, compression: int
) -> None:
    settings.IIIF_OFFLOAD, settings.IIIF_OFFLOAD_DIR = "published", tmp_path / "offload"
    settings.IIIF_SERVED_IMAGE_TTL = 3600.0
    pyramid = jpeg_tiff(PIXELS, TILE, "420", levels=2) if compression == 7 else pixel_tiff(PIXELS, TILE, compression)
    ingest(pyramid, "scan.tif", "scan")
    offload = Offload()
    short = OffloadingShortcut(WSGIHandler(), Origins(), offload)
    assert Answer(short, "/iiif/3/scan/0,256,256,256/256,256/0/default.jpg").status == "200 OK"  # known from now on
    answer = Answer(short, f"/iiif/3/scan/{tile}.jpg")
    assert answer.status == "200 OK"
    assert offload.wait()
    assert (tmp_path / "offload" / "live" / "scan" / "max3" / f"{tile}.jpg").read_bytes() == answer.body


def test_a_plain_tile_is_made_without_a_plan_to_the_bytes_that_the_long_way_gives(
    client: Client, ingest: Ingest, settings: Any, monkeypatch: Any
) -> None:
    settings.IIIF_DERIVATIVE_CACHE = "off"
    ingest(pixel_tiff(PIXELS, tile=TILE, compression=8, levels=2), "scan.tif", "scan")
    planned: list[str] = []
    plan = planning.render_plan

    def watched(served: Any, resolved: Any) -> Any:
        planned.append(str(resolved.region))
        return plan(served, resolved)

    monkeypatch.setattr(rendering, "render_plan", watched)
    urls = [f"/iiif/3/scan/{tile}.jpg" for tile in (INNER, RIGHT, "0,0,512,512/256,256/0/default")]
    direct = [client.get(url).getvalue() for url in urls]
    assert planned == []
    monkeypatch.setattr(rendering, "find_plain_job", lambda _served, _resolved: None)
    assert [client.get(url).getvalue() for url in urls] == direct
    assert len(planned) == len(urls)
    settings.IIIF_TIFF_PIECES = False
    assert [client.get(url).getvalue() for url in urls] == direct


def test_a_refusal_to_splice_is_remembered_as_it_was() -> None:
    head, frame = b"\xff\xd8\xff\xda\x00\x02", Frame(Size(8, 8), Size(8, 8), 1)
    said = []
    for _ in range(2):
        with pytest.raises(DamagedError) as refused:
            splice(b"", head + b"\xff\xd9", frame)
        said.append((type(refused.value), refused.value.detail, refused.value.code))
    assert said[0] == said[1]
