"""What a cold tile of a remote source costs: rounds, requests, bytes. The index is known, nothing else is.

A latency of L costs rounds × L, so that one round is a slope of 1 against the round-trip time.
"""

import numpy as np
import pytest
from django.test import Client

from caching.derivatives import get_derivative_cache
from caching.sources.caches import get_source_caches
from images.models import Image
from images.selectors.images import get_served_image
from images.services.indexing import find_shortcut
from images.services.planning import render_plan
from images.services.requests import resolve_request
from tests.flows.conftest import gradient
from tests.images.indexes.jp2 import encoder
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.proof.conftest import Remote
from tests.proof.pictures import textured

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ("s3", "gcs", "azure", "http")
TILES = (
    "0,0,512,512/512,512",
    "1024,512,512,512/512,512",
    "1536,1024,512,512/512,512",
    "0,0,1024,1024/512,512",
    "0,0,2048,1536/512,384",
)
RTT = 0.03


def make_jp2() -> bytes:
    """2,048 × 1,536 pixels as guidelines recommend: RPCL, precincts, quality layers, lengths of packets."""
    noise = np.random.default_rng(3).integers(-20, 20, (1536, 2048, 1))
    pixels = (np.asarray(gradient(2048, 1536)).astype(int) + noise).clip(0, 255).astype(np.uint8)
    coding = encoder.Coding(
        precincts=((256, 256), (256, 256), (128, 128)), block=(64, 64), rates=(20.0, 10.0, 5.0), irreversible=True,
        lists=("PLT", "TLM"),
    )  # fmt: skip
    return encoder.encode(pixels, coding)


@pytest.fixture(scope="module")
def jp2() -> bytes:
    return make_jp2()


@pytest.fixture(scope="module")
def tiff() -> bytes:
    return jpeg_tiff(textured(8, 1024, 768), 256, "420", levels=3)


def needed_bytes(image: Image, tile: str) -> int:
    """Of the packets that the tile is decoded from."""
    region, size = tile.split("/")
    known = resolve_request(image.identifier, region, size, "0", "default.jpg")
    shortcut = find_shortcut(known.served, render_plan(known.served, known.resolved))
    assert shortcut is not None, "the tile is not decoded from its packets"
    return shortcut.sparse.needed_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_a_cold_tile_of_a_jpeg_2000_takes_one_round_and_few_bytes(remote: Remote, jp2: bytes, kind: str) -> None:
    image = remote.add(remote.store(kind), jp2)
    remote.origin.conditions.rtt = RTT
    for tile in TILES:
        remote.chill()
        remote.get(f"/iiif/3/{image.identifier}/{tile}/0/default.jpg")
        log = remote.origin.log
        assert log.count(method="HEAD") == 0
        assert log.rounds() == 1, [(visit.byte_range, visit.began, visit.ended) for visit in log.visits()]
        assert log.count() == len(set(log.ranges())), "a range was fetched twice, or more than a range"
        assert log.sent() <= 2 * needed_bytes(image, tile)
        assert log.sent() < len(jp2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_tile_of_a_tiff_takes_one_request(remote: Remote, tiff: bytes, kind: str) -> None:
    image = remote.add(remote.store(kind), tiff)
    body = remote.get(f"/iiif/3/{image.identifier}/256,256,256,256/256,256/0/default.jpg")
    assert (remote.origin.log.count(), remote.origin.log.count(method="HEAD")) == (1, 0)
    assert remote.origin.log.sent() <= len(body)
    remote.chill()
    remote.origin.conditions.rtt = RTT
    remote.get(f"/iiif/3/{image.identifier}/0,0,700,500/350,250/0/default.png")
    assert remote.origin.log.rounds() == 1
    assert remote.origin.log.count(method="HEAD") == 0


@pytest.mark.parametrize("strategy", ["stream", "cache", "memory"])
def test_no_byte_is_fetched_twice(remote: Remote, jp2: bytes, strategy: str) -> None:
    image = remote.add(remote.store("s3", strategy), jp2)
    for output in ("jpg", "png", "webp"):
        for tile in TILES:
            remote.get(f"/iiif/3/{image.identifier}/{tile}/0/default.{output}")
        get_source_caches().objects.wait()
        get_derivative_cache().discard_all()
    fetched = remote.origin.log.ranges()
    assert sum(stop - start for start, stop in fetched) == len({at for one in fetched for at in range(*one)})
    if strategy != "stream":
        assert min(fetched)[0] == 0
        assert remote.origin.log.sent() == len(jp2)
    assert remote.origin.log.count(method="HEAD") == 0


def test_information_and_conditions_ask_nobody(remote: Remote, jp2: bytes) -> None:
    image = remote.add(remote.store("s3"), jp2)
    path = f"/iiif/3/{image.identifier}"
    remote.get(f"{path}/info.json")
    client = Client()
    etag = client.head(f"{path}/full/200,/0/default.jpg")["ETag"]
    assert client.get(f"{path}/full/200,/0/default.jpg", HTTP_IF_NONE_MATCH=etag).status_code == 304
    remote.get(f"{path}/full/10,/0/default.bmp", status=400)
    assert remote.origin.log.count() == 0
    assert get_served_image(image.identifier).full.width == 2048
