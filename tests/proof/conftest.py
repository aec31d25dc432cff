"""Remote sources in the process of the test: stores at an origin that counts, and nothing kept unless a test asks."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from caching.derivatives import get_derivative_cache
from caching.sources.caches import get_source_caches
from images.models import Image, Store, StoreKind, StoreStrategy
from images.selectors.images import forget_served_image
from images.services.decoding import close_runner
from images.services.ingest import image_ingest
from images.services.registration import SourceReference, image_register
from tests.support.origin import Origin

BUCKET = "bucket"


def options_for(kind: str, origin: Origin) -> dict[str, Any]:
    """What a store of that kind needs to reach the origin."""
    match kind:
        case "http":
            return {"networks": ["127.0.0.1/32"], "ports": [origin.port]}
        case "azure":
            return {"account_name": "account", "endpoint_url": origin.endpoint, "anonymous": True}
    return {"endpoint_url": origin.endpoint, "anonymous": True}


def root_for(kind: str, origin: Origin) -> str:
    return {"http": origin.url(f"{BUCKET}/")}.get(kind, BUCKET)


class Remote:
    """`remote.add("s3", "stream", body)` registers and reads an image; `chill` forgets what is kept of its bytes."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.client = Client(raise_request_exception=False)
        self._numbers = itertools.count(1)

    def store(self, kind: str, strategy: str = "stream", **fields: Any) -> Store:
        store = Store(
            name=f"{kind}-{strategy}-{next(self._numbers)}",
            kind=StoreKind(kind),
            root=root_for(kind, self.origin),
            strategy=StoreStrategy(strategy),
            options=options_for(kind, self.origin),
            **fields,
        )
        store.full_clean()
        store.save()
        return store

    def add(self, store: Store, body: bytes, key: str = "") -> Image:
        """The image, ready; its identifier is that of its key."""
        key = key or f"image{next(self._numbers)}"
        self.origin.put(f"{BUCKET}/{key}", body)
        image = image_register(key, SourceReference(store=store, key=key), queue=False).image
        forget_served_image(image.identifier)
        image_ingest(image.pk)
        image.refresh_from_db()
        assert image.state == "ready", image.error_technical
        self.chill()
        return image

    def chill(self) -> None:
        """Only the records are left, the log of the origin is empty."""
        get_source_caches().objects.wait()
        get_source_caches().clear()
        get_derivative_cache().discard_all()
        self.origin.log.clear()

    def get(self, path: str, status: int = 200) -> bytes:
        response = self.client.get(path)
        body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        assert response.status_code == status, (response.status_code, body[:300])
        return bytes(body)


@pytest.fixture
def remote(objects: Origin, tmp_path: Path, transactional_db: None, settings: Any) -> Iterator[Remote]:
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "sources"
    settings.IIIF_SOURCE_FAILURE_TTL = 0.05
    get_source_caches.cache_clear()
    yield Remote(objects)
    get_source_caches().objects.wait()
    get_source_caches.cache_clear()
    close_runner()
