"""Tiles of the small levels of TIFF pyramids, made and kept when an image was read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from django.test import Client

from caching.derivatives import get_derivative_cache
from images.decoders.errors import DamagedSourceError
from images.iiif.tiles import tile_regions, tile_set
from images.models import Image, ServiceCopyState
from images.selectors.images import forget_served_image, get_served_image
from images.services.decoding import get_runner
from images.services.first_tiles import image_make_first_tiles
from images.services.thumbnails import image_make_thumbnails
from tests.flows.conftest import Ingest
from tests.flows.test_service_copies import make
from tests.flows.test_thumbnails import jpeg_bytes, textured
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.images.indexes.tiff.pixels import pixel_tiff

pytestmark = pytest.mark.django_db(transaction=True)

PIXELS = np.asarray(textured(1001, 770))
JPEG, DEFLATE = 7, 8


@pytest.fixture(autouse=True)
def _tiles_of_256(settings: Any) -> None:
    settings.IIIF_TILE_SIZE = 256


def rounded_down() -> bytes:
    """Levels of 500 x 385 and 250 x 192 pixels, as libvips makes them."""
    options = {"compression": "jpeg", "tile": True, "tile_width": 256, "tile_height": 256, "pyramid": True}
    data: bytes = pyvips.Image.new_from_array(PIXELS).copy(interpretation="srgb").tiffsave_buffer(**options)
    return data


def pyramid(compression: int) -> bytes:
    if compression == JPEG:
        return jpeg_tiff(PIXELS, 256, "420", levels=3)
    return pixel_tiff(PIXELS, 256, DEFLATE, levels=3)


def small_tiles(identifier: str) -> list[str]:
    """The paths of those of 501 x 385 pixels, and of 251 x 193."""
    served = get_served_image(identifier)
    tiles = tile_set(served.full, served.tile).size
    return [
        f"/iiif/3/{identifier}/{at.x},{at.y},{at.width},{at.height}/{size.width},{size.height}/0/default.jpg"
        for factor in (2, 4)
        for at, size in tile_regions(served.full, tiles, factor)
    ]


def emptied(image: Image) -> None:
    get_derivative_cache().discard_image(image.uuid.hex)


@pytest.mark.parametrize(("compression", "made"), [(JPEG, 4), (DEFLATE, 5)])
def test_no_tile_of_a_small_level_is_decoded_when_it_is_asked_for(
    client: Client, ingest: Ingest, compression: int, made: int
) -> None:
    image = ingest(pyramid(compression), "scan.tif", "scan")
    emptied(image)
    long_way = [client.get(path).getvalue() for path in small_tiles("scan")]
    emptied(image)
    assert image_make_thumbnails(image.pk)
    jobs = get_runner().stats()["jobs"]
    assert image_make_first_tiles(get_served_image("scan")) == made, "what is stored as it is asked for is not kept"
    assert [client.get(path).getvalue() for path in small_tiles("scan")] == long_way
    assert get_runner().stats()["jobs"] == jobs


def test_levels_may_be_rounded_down(ingest: Ingest) -> None:
    ingest(rounded_down(), "scan.tif", "scan")
    assert image_make_first_tiles(get_served_image("scan")) == 4


def test_tiles_that_limits_make_tiny_are_left_until_they_are_asked_for(ingest: Ingest) -> None:
    image = ingest(pyramid(DEFLATE), "scan.tif", "scan", max_width=32)
    emptied(image)
    assert image_make_first_tiles(get_served_image("scan")) == 8 * 7


def test_where_the_service_copy_answers_nothing_is_made_of_the_source(
    ingest: Ingest, settings: Any, tmp_path: Path
) -> None:
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "copies"}}
    settings.STORAGES = {**settings.STORAGES, "service-copies": backend}
    image = ingest(pyramid(DEFLATE), "scan.tif", "scan")
    assert make(image).state == ServiceCopyState.READY
    forget_served_image("scan")
    emptied(image)
    assert image_make_first_tiles(get_served_image("scan")) == 0


def test_larger_levels_are_made_when_they_are_asked_for(ingest: Ingest, settings: Any) -> None:
    image = ingest(pyramid(JPEG), "scan.tif", "scan")
    for size, made in ((250, 0), (500, 1), (501, 4), (1001, 4 + 7)):
        emptied(image)
        settings.IIIF_KEPT_LEVEL_SIZE = size
        assert image_make_first_tiles(get_served_image("scan")) == made


@pytest.mark.parametrize("levels_of", ["a photograph", "one level"])
def test_where_there_is_no_such_level_nothing_is_made(ingest: Ingest, levels_of: str) -> None:
    if levels_of == "a photograph":
        ingest(jpeg_bytes(textured(1001, 770)), "a.jpg", "scan")
    else:
        ingest(jpeg_tiff(PIXELS, 256, "420", levels=1), "scan.tif", "scan")
    assert image_make_first_tiles(get_served_image("scan")) == 0


def test_nothing_is_made_where_nothing_is_kept(ingest: Ingest, settings: Any) -> None:
    ingest(pyramid(DEFLATE), "scan.tif", "scan")
    settings.IIIF_DERIVATIVE_CACHE = "off"
    jobs = get_runner().stats()["jobs"]
    assert image_make_first_tiles(get_served_image("scan")) == 0
    assert get_runner().stats()["jobs"] == jobs


def test_a_tile_that_cannot_be_decoded_costs_no_thumbnail(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    image = ingest(pyramid(JPEG), "scan.tif", "scan")
    emptied(image)

    def damaged(*_arguments: Any) -> Any:
        raise DamagedSourceError("The file is damaged: a tile of it cannot be decoded.")

    monkeypatch.setattr("images.services.first_tiles.image_render", damaged)
    assert image_make_thumbnails(image.pk) == 4
    assert caplog.text.count("A first tile of scan is not made: The file is damaged") == 4
