"""Images of stores in object storage, from ingest to tiles, with what the origin is asked for."""

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client

from caching.derivatives import get_derivative_cache
from caching.sources.caches import get_source_caches
from images.indexes.tiff.index import TiffIndex
from images.models import Image, Store, Tiling
from images.selectors.images import forget_served_image, image_location
from images.services import source_copies
from images.services.ingest import image_ingest, image_refresh
from images.services.registration import SourceReference, image_register
from images.sources.prefetch import get_prefetcher
from images.sources.retrieval import source_place
from tests.flows.conftest import gradient, png_bytes
from tests.images.indexes.tiff.pixels import pixel_tiff
from tests.support.origin import Origin

pytestmark = pytest.mark.django_db

KEY = "bucket/picture.png"
TILE = "/iiif/3/picture/0,0,256,256/256,256/0/default.jpg"


@pytest.fixture(autouse=True)
def _caches(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "sources"
    for made in (get_source_caches, get_prefetcher):
        made.cache_clear()
    get_derivative_cache().discard_all()
    yield
    assert get_prefetcher().wait()
    get_source_caches().objects.wait()
    for made in (get_source_caches, get_prefetcher):
        made.cache_clear()


@pytest.fixture
def shelve(objects: Origin) -> Callable[..., Image]:
    """The picture in a store with these fields, read, and nothing kept of its bytes."""

    def call(**fields: Any) -> Image:
        objects.put(KEY, png_bytes(gradient(600, 400)))
        options = {"endpoint_url": objects.endpoint, "anonymous": True}
        store = Store.objects.create(name="shelf", kind="s3", root="bucket", options=options, **fields)
        image = image_register("picture", SourceReference(store=store, key="picture.png"), queue=False).image
        forget_served_image("picture")
        image_ingest(image.pk)
        image.refresh_from_db()
        assert image.state == "ready", image.error_technical
        get_source_caches().clear()
        objects.log.clear()
        return image

    return call


def fetched(objects: Origin) -> float:
    """How many times the whole source has come."""
    return objects.log.sent(KEY) / len(objects.objects[KEY].body)


@pytest.mark.parametrize("strategy", ["stream", "cache", "memory"])
def test_a_source_without_tiles_comes_once(shelve: Callable[..., Image], objects: Origin, strategy: str) -> None:
    shelve(strategy=strategy)
    for output in ("jpg", "png", "webp"):
        assert Client().get(TILE.replace("jpg", output)).status_code == 200
    assert fetched(objects) == 1
    assert objects.log.count(method="HEAD") == 0


def test_reading_an_image_fetches_it_once(shelve: Callable[..., Image], objects: Origin) -> None:
    image = shelve(strategy="cache")
    objects.put(KEY, png_bytes(gradient(700, 400)))
    assert image_refresh(image.pk)
    assert Client().get(TILE).status_code == 200
    assert fetched(objects) == 1


@pytest.mark.parametrize("strategy", ["stream", "cache", "memory"])
def test_information_begins_to_fetch(shelve: Callable[..., Image], objects: Origin, strategy: str) -> None:
    shelve(strategy=strategy, prefetch=True)
    for _ in range(3):
        assert Client().get("/iiif/3/picture/info.json").status_code == 200
    assert get_prefetcher().wait()
    assert fetched(objects) == 1
    assert Client().get(TILE).status_code == 200
    assert fetched(objects) == 1


def test_information_fetches_nothing_unless_it_is_told_to(shelve: Callable[..., Image], objects: Origin) -> None:
    shelve(strategy="cache")
    assert Client().get("/iiif/3/picture/info.json").status_code == 200
    assert get_prefetcher().wait()
    assert objects.log.count() == 0


def test_a_store_that_hangs_does_not_delay_the_information(shelve: Callable[..., Image], objects: Origin) -> None:
    from tests.support import faults

    shelve(strategy="cache", prefetch=True)
    objects.fail(faults.hang)
    assert Client().get("/iiif/3/picture/info.json").status_code == 200
    assert not get_prefetcher().wait(0.0)
    objects.mend()
    objects.fail(faults.refuse(404))


def test_what_is_pinned_and_forgotten_is_what_is_shown(shelve: Callable[..., Image], objects: Origin) -> None:
    """While the record names another source, which cannot be read."""
    image = shelve(strategy="cache")
    earlier = source_place(image_location(image))
    objects.put("bucket/letter.png", b"Dear colleague, this is no picture.")
    image_register("picture", SourceReference(image.store, "letter.png"), replace=True, queue=False)
    image_ingest(image.pk)
    image = Image.objects.select_related("store", "tiling").get(pk=image.pk)
    assert (image.key, image.shows_earlier_source) == ("letter.png", True)
    call_command("source_copies", "--pin", "picture", stdout=StringIO())
    assert get_prefetcher().wait()
    assert get_source_caches().pins.all() == {earlier}
    assert fetched(objects) == 1
    call_command("source_copies", "--unpin", "picture", stdout=StringIO())
    assert not get_source_caches().pins.all()
    call_command("source_copies", "--forget", "picture", stdout=StringIO())
    assert Client().get(TILE).status_code == 200
    assert fetched(objects) == 2


def test_pins_and_copies_by_command(shelve: Callable[..., Image], objects: Origin) -> None:
    image = shelve(strategy="stream")

    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("source_copies", *arguments, stdout=out)
        return out.getvalue()

    assert "picture: pinned" in run("--pin", "picture")
    assert get_prefetcher().wait()
    assert fetched(objects) == 1
    assert source_copies.source_is_pinned(image)
    assert source_place(image_location(image)) in get_source_caches().pins.all()
    assert "picture: not pinned" in run("--unpin", "picture")
    run("--forget", "picture")
    assert "objects: 0 of" in run("--sweep")
    run("--fetch", "picture")
    assert fetched(objects) == 2
    run("--clear")
    assert source_copies.source_fills() == []
    assert not list(get_source_caches().folders["objects"].listing())


def test_a_tile_of_a_deflated_tiff_is_one_request_for_its_own_bytes(objects: Origin) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1100, 1300, 3), np.uint8)
    key = "bucket/scan.tif"
    objects.put(key, pixel_tiff(noise, 256, 8, levels=2))
    options = {"endpoint_url": objects.endpoint, "anonymous": True}
    store = Store.objects.create(name="shelf", kind="s3", root="bucket", options=options, strategy="stream")
    image = image_register("scan", SourceReference(store=store, key="scan.tif"), queue=False).image
    forget_served_image("scan")
    image_ingest(image.pk)
    get_source_caches().objects.wait()
    get_source_caches().clear()
    objects.log.clear()
    assert Client().get("/iiif/3/scan/512,256,256,256/256,256/0/default.jpg").status_code == 200
    index = TiffIndex.from_bytes(bytes(Tiling.objects.get(image=image).index or b""))
    place = index.levels[0].piece_range(2, 1) if index else None
    assert place is not None
    assert objects.log.count() == 1
    assert place.length <= objects.log.sent(key) <= 2 * place.length
    assert objects.log.sent(key) < len(objects.objects[key].body) / 10
