"""JPEG files spliced from tables and a tile: right, or refused."""

import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from images.iiif.geometry import Size
from images.indexes.errors import IndexingError, NotSupportedError
from images.indexes.tiff.splice import Frame, splice
from tests.images.indexes.reading import index_tiff
from tests.images.indexes.tiff.jpeg import jpeg_tiff, segments

TILE = Size(64, 64)
PIXELS = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


def parts(kind: str = "420", *, shared: bool = True) -> tuple[bytes, bytes]:
    """The tables and the only tile of a TIFF."""
    data = jpeg_tiff(PIXELS, 64, kind, shared=shared)
    level = index_tiff(data)[1].levels[0]
    found = level.piece_range(0, 0)
    assert found is not None
    return level.jpeg_tables, data[found.start : found.stop]


TABLES, STREAM = parts()
FRAME = Frame(TILE, TILE, 3)


def opened(data: bytes) -> Pillow.Image:
    picture = Pillow.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", ["444", "422", "420", "rgb", "gray"])
def test_markers_say_what_the_components_are(kind: str, shared: bool) -> None:
    components = 1 if kind == "gray" else 3
    frame = Frame(TILE, TILE, components, is_rgb=kind == "rgb", dots_per_inch=300)
    picture = opened(splice(*parts(kind, shared=shared), frame))
    assert picture.size == (64, 64)
    if kind == "rgb":
        assert picture.info["adobe_transform"] == 0
        assert "jfif" not in picture.info
    else:
        assert picture.info["jfif_version"] == (1, 2)
        assert picture.info["dpi"] == (300, 300)


def test_nothing_else_of_the_source_is_sent() -> None:
    """Application data and comments may hold what nobody meant to publish."""
    note = b"\xff\xe1\x00\x0aExif\0\0GP" + b"\xff\xfe\x00\x08secret" + b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x00"
    noted = STREAM[:2] + note + STREAM[2:]
    assert splice(TABLES[:2] + note + TABLES[2:], noted, FRAME) == splice(TABLES, STREAM, FRAME)


def test_entropy_coded_data_stay_as_they_are() -> None:
    assert segments(splice(TABLES, STREAM, FRAME))[-1] == segments(STREAM)[-1]


def test_restart_intervals_are_kept() -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(PIXELS).save(buffer, "JPEG", restart_marker_rows=1)
    spliced = splice(b"", buffer.getvalue(), FRAME)
    assert np.array_equal(np.asarray(opened(spliced)), np.asarray(opened(buffer.getvalue())))


@pytest.mark.parametrize(
    ("kind", "shown"), [("444", Size(64, 1)), ("422", Size(64, 13)), ("gray", Size(57, 64)), ("rgb", Size(63, 50))]
)
def test_padding_is_cut_off_where_no_pixel_changes(kind: str, shown: Size) -> None:
    frame = {"components": 1 if kind == "gray" else 3, "is_rgb": kind == "rgb"}
    whole = np.asarray(opened(splice(*parts(kind), Frame(TILE, TILE, **frame))))  # type: ignore[arg-type]
    cut = np.asarray(opened(splice(*parts(kind), Frame(TILE, shown, **frame))))  # type: ignore[arg-type]
    assert np.array_equal(cut, whole[: shown.height, : shown.width])


@pytest.mark.parametrize(
    ("kind", "shown"), [("420", Size(64, 32)), ("422", Size(60, 64)), ("444", Size(56, 64)), ("gray", Size(1, 1))]
)
def test_padding_that_pixels_lean_on_is_refused(kind: str, shown: Size) -> None:
    with pytest.raises(NotSupportedError):
        splice(*parts(kind), Frame(TILE, shown, 1 if kind == "gray" else 3))


def encoded(**options: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(PIXELS).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("tables", "tile"),
    [
        (b"", STREAM),
        (TABLES, b""),
        (TABLES, STREAM[2:]),
        (TABLES, STREAM[:-2]),
        (TABLES, STREAM[:-1]),
        (TABLES, STREAM + b"\x00"),
        (TABLES, b"\xff\xd8\xff\xd9"),
        (TABLES[:-2], STREAM),
        (TABLES + b"\x00", STREAM),
        (STREAM, STREAM),
        (b"\xff\xd8\xff\xd9", STREAM),
        (TABLES, STREAM.replace(b"\xff\xc0", b"\xff\xc2", 1)),
        (TABLES, STREAM.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c", 1)),
        (TABLES, STREAM.replace(b"\xff\xc0", b"\xff\xfe", 1)),
        (b"", encoded(progressive=True)),
        (b"", encoded()[:100]),
    ],
)
def test_what_is_not_right_is_refused(tables: bytes, tile: bytes) -> None:
    with pytest.raises(IndexingError):
        splice(tables, tile, FRAME)


@pytest.mark.parametrize(
    "frame",
    [Frame(Size(64, 32), Size(64, 32), 3), Frame(Size(128, 64), TILE, 3), Frame(TILE, TILE, 1), Frame(TILE, TILE, 4)],
)
def test_another_frame_than_the_tiff_tells_of_is_refused(frame: Frame) -> None:
    with pytest.raises(IndexingError):
        splice(TABLES, STREAM, frame)


def test_tables_cut_off_anywhere_are_refused() -> None:
    for length in range(1, len(TABLES)):
        with pytest.raises(IndexingError):
            splice(TABLES[:length], STREAM, FRAME)


@given(st.data())
def test_whatever_is_done_to_the_heads(data: st.DataObject) -> None:
    """An IndexingError, or a file that is opened as one of the right size."""
    head = len(STREAM) - len(segments(STREAM)[-1][1]) + 14
    tables, tile = bytearray(TABLES), bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        target, stop = data.draw(st.sampled_from([(tables, len(tables)), (tile, head)]))
        position, value = data.draw(st.integers(0, stop - 1)), data.draw(st.integers(0, 255))
        target[position] = value
    with suppress(IndexingError):
        spliced = splice(bytes(tables), bytes(tile), FRAME)
        assert opened(spliced).size == (64, 64)
