"""`manage.py rebuild_indexes`: in place where no byte of an answer changes, with a new version where one may."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path

import pytest
import pyvips
from django.core.cache import cache
from django.core.management import CommandError, call_command

from images.indexes.tiff.index import TiffIndex, _pack_level
from images.models import Image, ImageState, Tiling
from images.selectors import indexes
from images.selectors.images import forget_served_image, get_served_image
from images.selectors.indexes import find_index, find_packet_index
from tests.flows.conftest import Ingest
from tests.images.indexes.jp2.variants import variant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    indexes._memo.clear()
    cache.clear()
    for identifier in ("packets", "pyramid"):
        forget_served_image(identifier)


def rebuild(*arguments: str) -> str:
    out = StringIO()
    call_command("rebuild_indexes", *arguments, stdout=out)
    return out.getvalue().strip().splitlines()[-1]


def make_old(image: Image, index: bytes | None) -> None:
    """As an earlier version of the program left it."""
    tiling = Tiling.objects.get(image=image)
    tiling.description["detail"].pop("index_schema", None)
    tiling.index = index
    tiling.save()
    forget_served_image(image.identifier)


@pytest.mark.parametrize("stored", [None, b"JPX\x01 and more"])
def test_a_jpeg_2000_index_is_made_anew_in_place(ingest: Ingest, stored: bytes | None) -> None:
    image = ingest(variant("RPCL listed"), name="picture.j2k", identifier="packets")
    before = bytes(Tiling.objects.get(image=image).index or b"")
    make_old(image, stored)
    assert find_packet_index(get_served_image("packets")) is None
    assert rebuild("--all") == "0 current, 1 rebuilt, 0 rebuilt with a new version, 0 failed."
    again = Image.objects.get(pk=image.pk)
    assert (again.version, again.state) == (image.version, ImageState.READY)
    assert bytes(Tiling.objects.get(image=image).index or b"") == before
    assert find_packet_index(get_served_image("packets")) is not None, "the old answer is not remembered"
    assert rebuild("--image", "packets") == "1 current, 0 rebuilt, 0 rebuilt with a new version, 0 failed."


def test_a_tiff_is_read_again_as_a_new_version(ingest: Ingest) -> None:
    body = BytesIO(
        pyvips.Image.gaussnoise(300, 200).cast("uchar").tiffsave_buffer(tile=True, compression="jpeg", pyramid=True)
    ).getvalue()
    image = ingest(body, name="picture.tif", identifier="pyramid")
    assert rebuild("--all").startswith("1 current, 0 rebuilt")
    Tiling.objects.filter(image=image).update(index=b"\xff of another form")
    _forget()
    assert find_index(get_served_image("pyramid")) is None
    assert rebuild("--all").startswith("0 current, 0 rebuilt, 1 rebuilt with a new version")
    _forget()
    assert get_served_image("pyramid").version == image.version + 1
    assert find_index(get_served_image("pyramid")) is not None


def as_schema_1(image: Image) -> bytes:
    """The index as the first version of the program stored it: without what says how pieces are coded."""
    index = TiffIndex.from_bytes(bytes(Tiling.objects.get(image=image).index or b""))
    assert index is not None
    raw = struct.pack("<Q", len(index.levels)) + b"".join(
        _pack_level(replace(level, coding=None))[:-8] for level in index.levels
    )
    return struct.pack("<BQ", 1, len(raw)) + zlib.compress(raw)


def test_an_older_tiff_index_is_used_and_made_anew_in_place(ingest: Ingest) -> None:
    body = pyvips.Image.gaussnoise(300, 200).cast("uchar").tiffsave_buffer(tile=True, compression="deflate")
    image = ingest(body, name="picture.tif", identifier="pyramid")
    before = bytes(Tiling.objects.get(image=image).index or b"")
    Tiling.objects.filter(image=image).update(index=as_schema_1(image))
    _forget()
    old = find_index(get_served_image("pyramid"))
    assert old is not None
    assert old.levels[0].piece_range(0, 0) is not None
    assert old.levels[0].coding is None
    assert rebuild("--all") == "0 current, 1 rebuilt, 0 rebuilt with a new version, 0 failed."
    assert Image.objects.get(pk=image.pk).version == image.version
    assert bytes(Tiling.objects.get(image=image).index or b"") == before
    fresh = find_index(get_served_image("pyramid"))
    assert fresh is not None
    assert fresh.levels[0].coding is not None, "the old one is not remembered"
    assert rebuild("--all").startswith("1 current, 0 rebuilt")


def test_a_source_that_changed_is_read_again(ingest: Ingest, tmp_path: Path) -> None:
    image = ingest(variant("RPCL listed"), name="picture.j2k", identifier="packets")
    make_old(image, None)
    (tmp_path / "sources" / "picture.j2k").write_bytes(variant("LRCP listed"))
    assert "1 rebuilt with a new version" in rebuild("--all")
    assert Image.objects.get(pk=image.pk).version == image.version + 1


def test_what_cannot_be_had_says_so(ingest: Ingest, tmp_path: Path) -> None:
    image = ingest(variant("RPCL listed"), name="picture.j2k", identifier="packets")
    make_old(image, None)
    (tmp_path / "sources" / "picture.j2k").unlink()
    errors = StringIO()
    with pytest.raises(SystemExit):
        call_command("rebuild_indexes", "--all", stdout=StringIO(), stderr=errors)
    assert "failed" in errors.getvalue()
    assert Image.objects.get(pk=image.pk).state == ImageState.READY
    with pytest.raises(CommandError):
        rebuild("--image", "nobody")
