"""Folders and buckets that are served as they are: the first request of an image registers it."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from caching.sources.caches import get_source_caches
from images.models import Image, ImageState, Store
from images.services import self_registration
from images.services.decoding import close_runner
from images.services.self_registration import forget_self_registration
from tests.flows.conftest import gradient, png_bytes
from tests.support import faults
from tests.support.origin import Origin
from tests.support.server import ProductServer

PICTURE = png_bytes(gradient(64, 48))


@pytest.fixture
def shelf(tmp_path: Path, db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Path]:
    """A folder that registers by itself as shelf/…; in the thread of the request, where the test's database is."""
    settings.IIIF_SOURCE_CACHE_DIR = tmp_path / "source-cache"
    settings.IIIF_SERVED_IMAGE_TTL = settings.IIIF_UNKNOWN_IMAGE_TTL = 0
    get_source_caches.cache_clear()
    forget_self_registration()
    root = tmp_path / "shelf"
    root.mkdir()
    Store.objects.create(name="shelf", root=str(root), registers_itself=True, identifier_prefix="shelf/")
    monkeypatch.setattr(self_registration, "_start", self_registration._work)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    yield root
    get_source_caches().objects.wait()
    get_source_caches.cache_clear()
    forget_self_registration()
    close_runner()


def get(client: Client, identifier: str, rest: str = "info.json") -> Any:
    return client.get(f"/iiif/3/{identifier.replace('/', '%2F')}/{rest}")


@pytest.mark.parametrize("rest", ["info.json", "0,0,32,32/max/0/default.png", "full/max/0/default.jpg"])
def test_the_very_first_request_is_answered(shelf: Path, client: Client, rest: str) -> None:
    (shelf / "maps").mkdir()
    (shelf / "maps" / "1.png").write_bytes(PICTURE)
    assert get(client, "shelf/maps/1.png", rest).status_code == 200
    image = Image.objects.get()
    assert (image.identifier, image.key, image.state) == ("shelf/maps/1.png", "maps/1.png", ImageState.READY)
    assert get(client, "shelf/maps/1.png", rest).status_code == 200
    assert Image.objects.count() == 1


def test_the_page_and_the_manifest_register_too(shelf: Path, client: Client) -> None:
    for name in ("a", "b", "c"):
        (shelf / f"{name}.png").write_bytes(PICTURE)
    assert client.get("/view/shelf/a.png").status_code == 200
    assert client.get("/iiif/presentation/3/shelf%2Fb.png/manifest").status_code == 200
    assert client.get("/iiif/3/shelf%2Fc.png").status_code == 303
    assert Image.objects.filter(state=ImageState.READY).count() == 3


def test_keys_are_made_by_prefix_suffix_and_pattern(shelf: Path, client: Client) -> None:
    (shelf / "in" / "ab").mkdir(parents=True)
    (shelf / "in" / "ab" / "cd.png").write_bytes(PICTURE)
    Store.objects.update(
        identifier_prefix="", key_prefix="in/", key_suffix=".png",
        identifier_pattern="([a-z]{2})([a-z]{2})", key_template=r"\1/\2",
    )  # fmt: skip
    assert get(client, "abcd").status_code == 200
    assert Image.objects.get().key == "in/ab/cd.png"
    assert get(client, "ab1cd").status_code == 404
    assert get(client, "in/ab/cd.png").status_code == 404


def test_what_is_missing_leaves_no_record_and_is_not_looked_for_again(
    objects: Origin, shelf: Path, client: Client
) -> None:
    options = {"endpoint_url": objects.endpoint, "anonymous": True}
    Store.objects.create(
        name="b", kind="s3", root="bucket", options=options, registers_itself=True, identifier_prefix="b/"
    )
    for _time in range(20):
        assert get(client, "b/none.png").status_code == 404
    assert objects.log.count() == 1
    objects.put("bucket/none.png", PICTURE)
    forget_self_registration()  # as after a moment
    assert get(client, "b/none.png").status_code == 200
    assert Image.objects.count() == 1


def test_the_longest_prefix_answers(shelf: Path, client: Client, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.png").write_bytes(PICTURE)
    Store.objects.create(name="inner", root=str(inner), registers_itself=True, identifier_prefix="shelf/inner/")
    assert get(client, "shelf/inner/a.png").status_code == 200
    assert Image.objects.get().store.name == "inner"  # type: ignore[union-attr]


@pytest.mark.parametrize("body", [b"", b"hello, this is no image", b"<html></html>" * 10])
def test_what_is_no_image_leaves_no_record(shelf: Path, client: Client, body: bytes) -> None:
    (shelf / "readme.txt").write_bytes(body)
    assert get(client, "shelf/readme.txt").status_code == 404
    assert not Image.objects.exists()


def test_what_is_damaged_is_registered_and_says_why(shelf: Path, client: Client) -> None:
    (shelf / "half.png").write_bytes(PICTURE[: len(PICTURE) // 2])
    answer = get(client, "shelf/half.png")
    assert answer.status_code == 404
    assert Image.objects.get().state == ImageState.FAILED


HOSTILE = [
    "shelf/../secret.png", "shelf/..%2Fsecret.png", "shelf/%2e%2e/secret.png", "shelf/..%5Csecret.png",
    "shelf//secret.png", "shelf/./secret.png", "shelf/%00", "shelf/", "shelf/link.png", "shelf/fifo.png",
    "shelf/folder", "shelf/" + "a" * 490, "shelf/%F0%9F%98%80.png", "shelf/..", "shelf/a%0Ab.png", "shelf/~root/.png",
]  # fmt: skip


@pytest.mark.parametrize("identifier", HOSTILE)
def test_hostile_identifiers_never_leave_the_root(shelf: Path, client: Client, identifier: str) -> None:
    (shelf.parent / "secret.png").write_bytes(PICTURE)
    (shelf / "link.png").symlink_to(shelf.parent / "secret.png")
    (shelf / "folder").mkdir()
    os.mkfifo(shelf / "fifo.png")
    for path in (f"/iiif/3/{identifier}/info.json", f"/iiif/3/{identifier.replace('/', '%2F')}/full/max/0/default.jpg"):
        assert client.get(path).status_code in {400, 404}
    assert not Image.objects.exists()


def test_a_store_that_is_away_is_said_to_be(objects: Origin, shelf: Path, client: Client) -> None:
    options = {"endpoint_url": objects.endpoint, "anonymous": True}
    store = Store.objects.create(
        name="b", kind="s3", root="bucket", options=options, registers_itself=True, identifier_prefix="b/"
    )
    objects.fail(faults.slow_down)
    assert get(client, "b/a.png").status_code == 502
    assert client.get("/view/b/a.png").status_code == 503
    objects.mend()
    objects.fail(faults.refuse(403, "AccessDenied"))
    assert get(client, "b/other.png").status_code == 404
    Store.objects.filter(pk=store.pk).update(is_enabled=False)
    assert get(client, "b/third.png").status_code == 503
    assert not Image.objects.exists()


def test_registrations_are_limited(shelf: Path, client: Client, settings: Any) -> None:
    settings.IIIF_SELF_REGISTRATION_PER_MINUTE = 3
    for number in range(5):
        (shelf / f"{number}.png").write_bytes(PICTURE)
    statuses = [get(client, f"shelf/{number}.png").status_code for number in range(5)]
    assert statuses == [200, 200, 200, 503, 503]
    assert get(client, "shelf/1.png").status_code == 200  # it is known
    assert Image.objects.count() == 3


def test_waiting_requests_are_limited(shelf: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_registration, "_waiting", threading.BoundedSemaphore(1))
    assert self_registration._waiting.acquire(blocking=False)
    (shelf / "a.png").write_bytes(PICTURE)
    answer = get(client, "shelf/a.png")
    assert (answer.status_code, answer.json()["error"]) == (503, "overloaded")
    assert "Retry-After" in answer


def test_an_image_of_somebody_else_stays_what_it_is(shelf: Path, client: Client, tmp_path: Path) -> None:
    """An identifier that a curator has given to another source is never taken over."""
    (shelf / "a.png").write_bytes(PICTURE)
    store = Store.objects.create(name="other", root=str(tmp_path))
    Image.objects.create(identifier="shelf/a.png", store=store, key="x.png", state=ImageState.FAILED)
    assert get(client, "shelf/a.png").status_code == 404
    assert Image.objects.get().store == store


def test_a_herd_at_an_unknown_image_registers_it_once(tmp_path: Path, objects: Origin) -> None:
    """Two dozen first requests at a real server, of info.json and of a tile."""
    objects.put("bucket/map.png", png_bytes(gradient(700, 500)))
    script = (
        "from images.models import Store; Store.objects.create(name='b', kind='s3', root='bucket', "
        f"options={{'endpoint_url': {objects.endpoint!r}, 'anonymous': True}}, registers_itself=True)"
    )
    with ProductServer(tmp_path / "data") as server:
        server.manage("shell", "-c", script)
        assert server.get("/iiif/3/none.png/info.json").status == 404
        objects.log.clear()
        paths = ["/iiif/3/map.png/info.json", "/iiif/3/map.png/0,0,256,256/max/0/default.jpg"] * 12
        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(server.get, paths))
        statuses = [answer.status for answer in answers]
        assert set(statuses) <= {200, 503}  # no more wait than may
        assert statuses.count(200) >= 16
        assert objects.log.count("bucket/map.png", "HEAD") <= 2
        assert server.get("/iiif/3/map.png/0,0,256,256/max/0/default.jpg").status == 200
        count = server.manage("shell", "-c", "from images.models import Image; print(Image.objects.count())")
        assert count.stdout.split()[-1] == "1"
