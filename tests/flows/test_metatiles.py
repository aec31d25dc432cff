"""Metatiles through the server: one decode for many tiles, and each the same bytes as alone."""

import time
from collections import Counter
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image as Pillow

from caching.derivatives import get_derivative_cache
from images.decoders.answer import Answer
from images.models import Image
from images.selectors.images import get_served_image
from images.services.decoding import get_runner
from images.services.orders import find_order, get_workshop
from tests.flows.conftest import Ingest

pytestmark = pytest.mark.django_db(transaction=True)

WIDTH, HEIGHT = 1300, 900


def source(kind: str) -> bytes:
    generator = np.random.default_rng(5)
    coarse = generator.integers(0, 256, (HEIGHT // 20, WIDTH // 20, 3), np.uint8)
    smooth = np.asarray(Pillow.fromarray(coarse).resize((WIDTH, HEIGHT), Pillow.Resampling.BICUBIC)).astype(int)
    noise = generator.integers(-20, 21, smooth.shape)
    picture = Pillow.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    out = BytesIO()
    options: dict[str, Any] = {}
    if kind == "jp2":
        options = {"irreversible": True, "num_resolutions": 5, "quality_layers": [80, 40, 20, 10]}
        picture.save(out, "JPEG2000", **options)
    else:
        picture.save(out, kind.upper())
    return out.getvalue()


@pytest.fixture
def counted(monkeypatch: Any) -> Counter[str]:
    """Jobs that decoders were given, by kind."""
    runner = get_runner()
    jobs: Counter[str] = Counter()
    run = runner.run

    def counting(job: Any, data: Any, **options: Any) -> Any:
        jobs[job["kind"]] += 1
        return run(job, data, **options)

    monkeypatch.setattr(runner, "run", counting)
    return jobs


def url(column: int, row: int, step: int = 1, tile: int = 256) -> str:
    side = tile * step
    width, height = min(side, WIDTH - column * side), min(side, HEIGHT - row * side)
    region = f"{column * side},{row * side},{width},{height}"
    return f"/iiif/3/many/{region}/{-(-width // step)},{-(-height // step)}/0/default.jpg"


def fetched(client: Client, path: str) -> bytes:
    response = client.get(path)
    assert response.status_code == 200, response.content[:300]
    return response.getvalue()


def forget() -> None:
    """All that is kept of this image: tests of other processes may use the same folder."""
    get_derivative_cache().discard_image(get_served_image("many").uuid)


def settled() -> None:
    end = time.monotonic() + 20
    while get_workshop()._promises and time.monotonic() < end:
        time.sleep(0.01)
    assert not get_workshop()._promises


@pytest.mark.parametrize(("kind", "decodes"), [("jp2", 2), ("jpeg", 1), ("png", 1)])
def test_a_screen_of_tiles_takes_few_decodes(
    client: Client, ingest: Ingest, counted: Counter[str], settings: Any, kind: str, decodes: int
) -> None:
    settings.IIIF_TILE_SIZE = 256
    ingest(source(kind), f"many.{kind}", "many")
    counted.clear()
    tiles = {}
    for column, row in product(range(4), range(4)):
        tiles[column, row] = fetched(client, url(column, row))
        settled()
    assert counted == {"render": 1, "tiles": decodes}
    forget()
    settings.IIIF_METATILE_SIZE = 0
    counted.clear()
    for (column, row), body in tiles.items():
        assert fetched(client, url(column, row)) == body
    assert counted == {"render": 16}


def test_scattered_tiles_are_made_one_by_one(
    client: Client, ingest: Ingest, counted: Counter[str], settings: Any
) -> None:
    settings.IIIF_TILE_SIZE = 256
    settings.IIIF_METATILE_SIZE = 512
    ingest(source("jp2"), "many.jp2", "many")
    counted.clear()
    for column, row, step in ((0, 0, 1), (4, 3, 1), (0, 3, 1), (2, 0, 2)):
        fetched(client, url(column, row, step))
    assert counted == {"render": 4}


def test_a_tile_that_is_not_asked_for_is_there_already(
    client: Client, ingest: Ingest, counted: Counter[str], settings: Any
) -> None:
    settings.IIIF_TILE_SIZE = 256
    ingest(source("jp2"), "many.jp2", "many")
    for tile in ((0, 0, 4), (0, 0, 2), (1, 1, 1)):
        fetched(client, url(*tile))
        settled()
    counted.clear()
    for column, row in ((2, 1), (0, 0), (4, 0)):
        fetched(client, url(column, row))
    assert not counted
    fetched(client, url(2, 2))  # the lower half of the screen
    settled()
    assert counted == {"tiles": 1}
    fetched(client, url(4, 3))
    assert counted == {"tiles": 1}


def test_a_decoder_leaves_what_nobody_waits_for_when_another_tile_is_asked_for(
    client: Client, ingest: Ingest, settings: Any, monkeypatch: Any
) -> None:
    settings.IIIF_TILE_SIZE = 256
    settings.DECODE_ISOLATION = "pool"
    settings.DECODE_PROCESSES = settings.DECODE_DEAR_PROCESSES = 1
    ingest(source("jp2"), "many.jp2", "many")
    forget()
    told: list[Answer] = []
    enough = Answer.enough

    def noted(answer: Answer) -> None:
        told.append(answer)
        enough(answer)

    monkeypatch.setattr(Answer, "enough", noted)
    fetched(client, url(1, 1))
    settled()
    fetched(client, url(2, 1))  # and the half of the screen after it
    fetched(client, url(0, 0, 2))
    settled()
    assert len(told) == 1
    bodies = {place: fetched(client, url(*place)) for place in product(range(6), range(2))}
    settled()
    forget()
    settings.IIIF_METATILE_SIZE = 0
    assert bodies == {place: fetched(client, url(*place)) for place in bodies}


def test_without_a_cache_each_tile_is_made_alone(
    client: Client, ingest: Ingest, counted: Counter[str], settings: Any
) -> None:
    settings.IIIF_TILE_SIZE = 256
    settings.IIIF_DERIVATIVE_CACHE = "off"
    ingest(source("jp2"), "many.jp2", "many")
    counted.clear()
    for column in range(3):
        fetched(client, url(column, 0))
    assert counted == {"render": 3}


def test_the_layer_policy_is_in_the_name_and_in_the_pixels(
    client: Client, ingest: Ingest, counted: Counter[str], settings: Any
) -> None:
    settings.IIIF_TILE_SIZE = 256
    settings.IIIF_METATILE_SIZE = 0
    ingest(source("jp2"), "many.jp2", "many")
    exact = {step: client.get(url(0, 0, step)) for step in (1, 2, 4)}
    settings.IIIF_LAYER_POLICY = "reduced"
    reduced = {step: client.get(url(0, 0, step)) for step in (1, 2, 4)}
    for step in (1, 2, 4):
        assert exact[step]["ETag"] != reduced[step]["ETag"]
    assert exact[1].getvalue() == reduced[1].getvalue()
    assert exact[2].getvalue() != reduced[2].getvalue()
    settings.IIIF_JP2_INDEX = False  # from the file: the same layers, so the same bytes
    forget()
    for step in (1, 2, 4):
        assert fetched(client, url(0, 0, step)) == reduced[step].getvalue()
    settings.IIIF_METATILE_SIZE = 1024
    forget()
    fetched(client, url(0, 0, 4))
    assert fetched(client, url(0, 0, 2)) == reduced[2].getvalue()
    settled()


def test_lossless_sources_have_no_layers_left_out(client: Client, ingest: Ingest, settings: Any) -> None:
    generator = np.random.default_rng(5)
    out = BytesIO()
    picture = Pillow.fromarray(generator.integers(0, 256, (HEIGHT, WIDTH), np.uint8))
    picture.save(out, "JPEG2000", quality_layers=[40, 1], num_resolutions=4)
    ingest(out.getvalue(), "many.jp2", "many")
    before = client.get(url(0, 0, 2))["ETag"]
    settings.IIIF_LAYER_POLICY = "reduced"
    assert client.get(url(0, 0, 2))["ETag"] == before


def test_an_order_is_only_for_tiles(ingest: Ingest, settings: Any) -> None:
    from images.services.requests import resolve_request

    settings.IIIF_TILE_SIZE = 256
    record: Image = ingest(source("jp2"), "many.jp2", "many")
    assert record.version == 1
    for region, size, rotation, name, is_ordered in (
        ("0,0,256,256", "256,256", "0", "default.jpg", True),
        ("0,0,256,256", "max", "0", "gray.png", True),
        ("0,0,256,256", "256,256", "90", "default.jpg", False),
        ("0,0,256,256", "256,256", "!0", "default.jpg", False),
        ("0,0,256,256", "256,256", "0", "default.tif", False),
        ("0,0,256,256", "200,200", "0", "default.jpg", False),
        ("10,0,256,256", "256,256", "0", "default.jpg", False),
    ):
        known = resolve_request("many", region, size, rotation, name)
        assert (find_order(known.served, known.resolved) is not None) == is_ordered, (region, size, name)


def test_small_levels_are_decoded_once_and_kept(
    client: Client, ingest: Ingest, counted: Counter[str], settings: Any
) -> None:
    settings.IIIF_TILE_SIZE = 256
    settings.IIIF_KEPT_LEVEL_SIZE = 0
    settings.IIIF_THUMBNAIL_SIZES = []
    ingest(source("jp2"), "many.jp2", "many")
    requests = [
        url(0, 0, 4),
        url(1, 0, 4, 128),
        "/iiif/3/many/full/!200,200/0/gray.png",
        "/iiif/3/many/full/,100/90/color.jpg",
    ]
    before = [fetched(client, path) for path in requests]
    forget()
    settings.IIIF_KEPT_LEVEL_SIZE = 512
    counted.clear()
    assert [fetched(client, path) for path in requests] == before
    assert counted == {"level": 2, "render": 4}  # 325 and 163 pixels wide
    assert fetched(client, url(1, 1, 1))
    assert counted == {"level": 2, "render": 5}


def test_ingest_keeps_the_small_levels(client: Client, ingest: Ingest, counted: Counter[str], settings: Any) -> None:
    ingest(source("jp2"), "levels.jp2", "levels")
    counted.clear()
    fetched(client, "/iiif/3/levels/full/!300,300/0/default.jpg")
    fetched(client, "/iiif/3/levels/full/!50,50/0/default.jpg")
    assert counted == {"render": 2}
