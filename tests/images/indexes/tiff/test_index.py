"""Where the pieces of a TIFF lie, and the bytes in which that is kept."""

import struct
import zlib
from array import array
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.indexes.errors import DamagedError
from images.indexes.ranges import ByteRange
from images.indexes.tiff.description import describe
from images.indexes.tiff.index import (
    MAX_INDEX_BYTES,
    ColourProfile,
    IndexedLevel,
    TiffIndex,
    describe_and_index,
)
from tests.images.indexes.reading import Source, index_tiff
from tests.images.indexes.tiff.writer import LONG, SHORT, UNDEFINED, PageSpec, Tag, pyramid, write_tiff
from tests.support.examples import dear

NUMBERS = st.integers(0, 2**32 - 1)


@st.composite
def indexed_levels(draw: st.DrawFn) -> IndexedLevel:
    pieces = draw(st.lists(st.tuples(st.integers(0, 2**62), NUMBERS), max_size=20))
    return IndexedLevel(
        width=draw(NUMBERS),
        height=draw(NUMBERS),
        page=draw(NUMBERS),
        subifd=draw(st.none() | NUMBERS),
        is_tiled=draw(st.booleans()),
        piece_width=draw(st.integers(1, 2**32)),
        piece_height=draw(st.integers(1, 2**32)),
        compression=draw(NUMBERS),
        photometric=draw(NUMBERS),
        samples_per_pixel=draw(NUMBERS),
        bits_per_sample=draw(NUMBERS),
        is_contiguous=draw(st.booleans()),
        colour_profile=draw(st.sampled_from(ColourProfile)),
        jpeg_tables=draw(st.binary(max_size=20)),
        offsets=array("Q", [offset for offset, _ in pieces]),
        byte_counts=array("Q", [byte_count for _, byte_count in pieces]),
    )


@dear
@given(st.lists(indexed_levels(), max_size=4))
def test_every_index_comes_back(levels: list[IndexedLevel]) -> None:
    index = TiffIndex(tuple(levels))
    assert TiffIndex.from_bytes(index.to_bytes()) == index


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_levels_are_those_of_the_description(order: str, big: bool) -> None:
    pages = pyramid(64, 48, 2)
    pages[0].subifds = [PageSpec(16, 12)]
    data = write_tiff(*pages, order=order, big=big)
    description, index = index_tiff(data)
    assert len(index.levels) == 3
    for level, described in zip(index.levels, description.levels, strict=True):
        assert (level.width, level.height, level.page, level.subifd) == (
            described.width,
            described.height,
            described.page,
            described.subifd,
        )
        found = level.piece_range(-(-level.width // 16) - 1, -(-level.height // 16) - 1)
        assert found is not None
        assert data[found.start : found.stop] == b"\x55" * 4
        assert level.piece_range(0, 9) is None


def test_the_file_is_walked_once() -> None:
    data = write_tiff(*pyramid(3_200, 3_200, 3))
    alone, both = Source(data), Source(data)
    alone.run(describe)
    both.run(describe_and_index)
    assert both.reads == alone.reads


def test_forty_thousand_tiles_take_little() -> None:
    _, index = index_tiff(write_tiff(PageSpec(3_200, 3_200)))
    assert len(index.levels[0].offsets) == 40_000
    assert len(index.to_bytes()) < 4_000
    assert index.byte_size == pytest.approx(640_000, rel=0.01)


def test_strips_and_strips_of_unknown_length() -> None:
    _, index = index_tiff(write_tiff(PageSpec(tile=None)))
    level = index.levels[0]
    assert (level.is_tiled, level.piece_width, level.piece_height, len(level.offsets)) == (False, 64, 16, 3)
    _, index = index_tiff(write_tiff(PageSpec(tile=None, tags={279: None})))
    assert index.levels[0].piece_range(0, 0) is None


def test_what_matters_of_colours() -> None:
    tables = Tag(UNDEFINED, b"tables of JPEG")
    page = PageSpec(compression=7, photometric=6, tags={347: tables, 34675: Tag(UNDEFINED, b"some profile")})
    level = index_tiff(write_tiff(page))[1].levels[0]
    assert (level.compression, level.photometric, level.samples_per_pixel, level.bits_per_sample) == (7, 6, 3, 8)
    assert (level.jpeg_tables, level.colour_profile) == (b"tables of JPEG", ColourProfile.OTHER)
    mixed = PageSpec(tags={258: Tag(SHORT, [5, 6, 5])})
    assert index_tiff(write_tiff(mixed))[1].levels[0].bits_per_sample == 0


def test_tables_beyond_measure_mean_no_index() -> None:
    page = PageSpec(compression=7, tags={347: Tag(UNDEFINED, b"\x00" * 20_000)})
    description, index = Source(write_tiff(page)).run(describe_and_index)
    assert index is None
    assert description.width == 64


def test_tiles_in_any_order() -> None:
    offsets = [100, 20, 60, 8, 44, 90, 80, 70, 30, 12, 16, 24]
    _, index = index_tiff(write_tiff(PageSpec(tags={324: Tag(LONG, offsets)})))
    again = TiffIndex.from_bytes(index.to_bytes())
    assert again is not None
    assert list(again.levels[0].offsets) == offsets
    assert again.levels[0].piece_range(1, 0) == ByteRange(20, 24)


def test_another_schema_is_not_read() -> None:
    data = TiffIndex(()).to_bytes()
    assert TiffIndex.from_bytes(bytes([data[0] + 1]) + data[1:]) is None


def test_damage_is_found() -> None:
    _, index = index_tiff(write_tiff(*pyramid(64, 48, 2)))
    data = index.to_bytes()
    for length in range(len(data)):
        with pytest.raises(DamagedError):
            TiffIndex.from_bytes(data[:length])
    for at in range(1, len(data)):
        with suppress(DamagedError):
            TiffIndex.from_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])


def test_no_more_is_unpacked_than_was_announced() -> None:
    bomb = zlib.compress(b"\x00" * 50_000_000)
    for length in (10, MAX_INDEX_BYTES * 2 + 1):
        with pytest.raises(DamagedError):
            TiffIndex.from_bytes(struct.pack("<BQ", 1, length) + bomb)
