"""Uploads that are kept in S3 by django-storages: from the upload to a tile, and away again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client

from caching.sources.caches import get_source_caches
from images.models import ImageState, Store
from images.services import registration, upload_storage
from images.services.decoding import close_runner
from images.services.ingest import image_ingest
from images.services.registration import image_register, upload_discard, upload_store, uploads_sweep
from images.services.uploads import uploads_are_equal
from tests.flows.conftest import gradient, png_bytes
from tests.support.moto import Moto

pytestmark = pytest.mark.django_db
PICTURE = png_bytes(gradient(300, 200))


@pytest.fixture
def bucket(moto: Moto, settings: Any, tmp_path: Path) -> Iterator[None]:
    moto.make_bucket("uploads")
    options = {
        "bucket_name": "uploads", "endpoint_url": moto.endpoint, "region_name": "us-east-1",
        "access_key": "testing", "secret_key": "testing", "file_overwrite": False,
    }  # fmt: skip
    backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    settings.MEDIA_ROOT = tmp_path / "uploads"
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "sources"
    get_source_caches.cache_clear()
    yield
    get_source_caches().objects.wait()
    get_source_caches.cache_clear()
    close_runner()


def test_an_upload_becomes_a_tile(bucket: None, client: Client, tmp_path: Path) -> None:
    reference = upload_store([PICTURE[:100], PICTURE[100:]], "map.PNG")
    assert (Store.objects.get().kind, Store.objects.get().root) == ("storage", "default")
    assert storages["default"].size(reference.key) == len(PICTURE)
    assert list((tmp_path / "uploads").iterdir()) == []
    image = image_register("map", reference, queue=False).image
    image_ingest(image.pk)
    image.refresh_from_db()
    assert (image.state, image.error_detail) == (ImageState.READY, "")
    answer = client.get("/iiif/3/map/0,0,64,64/max/0/default.png")
    assert answer.status_code == 200


def test_uploads_go_away_again(bucket: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = upload_store([PICTURE], "a.png")
    second = upload_store([PICTURE], "b.png")
    third = upload_store([PICTURE[:-1]], "c.png")
    assert uploads_are_equal(first.key, second.key)
    assert not uploads_are_equal(first.key, third.key)
    upload_discard(second)
    assert not storages["default"].exists(second.key)
    image_register("kept", first, queue=False)
    storages["default"].save("report.pdf", ContentFile(b"of somebody else"))
    assert uploads_sweep() == 0
    monkeypatch.setattr(registration, "_ORPHAN_SECONDS", -60)
    uploads_sweep()
    assert storages["default"].exists(first.key)
    assert storages["default"].exists("report.pdf")
    assert not storages["default"].exists(third.key)


def test_a_storage_that_is_away_keeps_nothing(bucket: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr(storages["default"], "save", fail)
    with pytest.raises(OSError, match="could not be stored"):
        upload_store([PICTURE], "a.png")
    assert list((tmp_path / "uploads").iterdir()) == []
    assert upload_storage.is_elsewhere()
