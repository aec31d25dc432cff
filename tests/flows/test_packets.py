"""JPEG 2000 through the server: indexed at ingest, tiles from single packets, the same bytes as from the file."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from images.decoders.jp2_sparse import SparseDecode, find_sparse
from images.models import Image, ImageState, Tiling
from images.selectors import indexes
from images.selectors.images import forget_served_image, get_served_image
from images.selectors.indexes import find_packet_index
from images.services import indexing
from tests.flows.conftest import Ingest
from tests.images.indexes.jp2.variants import HIGH_THROUGHPUT, variant

pytestmark = pytest.mark.django_db(transaction=True)

TILES = ("0,0,64,64/64,64", "128,128,128,128/64,64", "256,128,128,128/,32", "full/52,", "17,23,91,77/40,")


@pytest.fixture
def jp2(ingest: Ingest, settings: Any) -> Iterator[Image]:
    settings.IIIF_KEPT_LEVEL_SIZE = 0  # it is so small that nothing of it would be read twice
    _forget()
    yield ingest(variant("RPCL listed"), name="picture.j2k", identifier="packets")
    _forget()


def _forget() -> None:
    indexes._memo.clear()
    cache.clear()


def answers(client: Client) -> list[bytes]:
    bodies = []
    for tile in TILES:
        response = client.get(f"/iiif/3/packets/{tile}/0/default.png", headers={"cache-control": "no-cache"})
        assert response.status_code == 200
        bodies.append(response.getvalue())
    return bodies


def test_the_index_is_stored_with_the_version(jp2: Image) -> None:
    assert jp2.state == ImageState.READY
    served = get_served_image("packets")
    index = find_packet_index(served)
    assert index is not None
    assert served.description.detail["indexed_packets"] == index.packets
    assert served.description.detail["not_indexed"] == ""
    assert find_packet_index(served) is index
    assert index.to_bytes() == bytes(Tiling.objects.get(image=jp2).index or b"")


def test_tiles_are_the_same_as_from_the_file(client: Client, jp2: Image, monkeypatch: Any) -> None:
    used: list[SparseDecode | None] = []

    def watched(*arguments: Any) -> SparseDecode | None:
        used.append(find_sparse(*arguments))
        return used[-1]

    monkeypatch.setattr(indexing, "find_sparse", watched)
    ours = answers(client)
    assert len([each for each in used if each is not None]) >= 3
    Tiling.objects.filter(image=jp2).update(index=None)
    Image.objects.filter(pk=jp2.pk).update(version=2)
    Tiling.objects.filter(image=jp2).update(version=2)
    forget_served_image("packets")
    _forget()
    used.clear()
    assert answers(client) == ours
    assert used == []


@pytest.mark.parametrize("name", HIGH_THROUGHPUT)
def test_high_throughput_tiles_are_the_same_as_from_the_file(client: Client, ingest: Ingest, name: str) -> None:
    _forget()
    image = ingest(variant(name), name="picture.j2c", identifier="packets")
    served = get_served_image("packets")
    assert served.description.detail["window"]["step"]
    assert (served.description.detail["indexed_code_blocks"] > 0) == (name != "tiled")
    tile = "/iiif/3/packets/60,40,40,40/40,40/0/default.png"
    ours = client.get(tile)
    assert ours.status_code == 200
    Tiling.objects.filter(image=image).update(index=None, version=2)
    Image.objects.filter(pk=image.pk).update(version=2)
    forget_served_image("packets")
    _forget()
    again = client.get(tile)
    assert again["ETag"] != ours["ETag"]
    assert again.getvalue() == ours.getvalue()


def test_an_index_of_another_schema_is_passed_over(client: Client, jp2: Image) -> None:
    Tiling.objects.filter(image=jp2).update(index=b"JPX\xff and more")
    _forget()
    assert find_packet_index(get_served_image("packets")) is None
    assert len(answers(client)) == len(TILES)


def test_what_can_not_be_indexed_is_served_and_says_why(client: Client, ingest: Ingest, monkeypatch: Any) -> None:
    _forget()
    monkeypatch.setattr("images.indexes.jp2.packet_lists.parse_lengths", lambda _segments: [1])
    monkeypatch.setattr("images.indexes.jp2.segments._PASSED_OVER", {0xFF64})
    image = ingest(variant("RPCL listed"), name="picture.j2k", identifier="packets")
    assert image.state == ImageState.READY
    served = get_served_image("packets")
    assert find_packet_index(served) is None
    assert "extension" in served.description.detail["not_indexed"]
    assert len(answers(client)) == len(TILES)


def test_the_memo_is_bounded_by_bytes() -> None:
    memo = indexes._Memo()
    for number in range(5):
        memo.put((str(number), 1, "", 0), None, 2 * indexes._ENTRY_BYTES)
    with pytest.raises(KeyError):
        memo.get(("2", 1, "", 0))
    assert memo.get(("3", 1, "", 0)) is None
    assert memo.get(("4", 1, "", 0)) is None
