"""Whatever is done to a file: an answer or an IndexingError, in few reads and few bytes."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.indexes.description import SourceDescription, SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.jp2.description import describe as describe_jp2
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser
from images.indexes.tiff.description import describe as describe_tiff
from images.indexes.tiff.index import TiffIndex, describe_and_index
from tests.images.indexes.jp2 import writer as jp2
from tests.images.indexes.reading import Source
from tests.images.indexes.tiff.writer import RATIONAL, UNDEFINED, PageSpec, Tag, pyramid, write_tiff

Describe = Callable[[int, SourceLimits | None], Parser[SourceDescription]]

_SUBIFDS = PageSpec(40, 30, subifds=[PageSpec(20, 15)], tags={282: Tag(RATIONAL, [300, 1])})
_PALETTE = jp2.ihdr() + jp2.enumerated(16) + jp2.pclr() + jp2.cmap((0, 1, 0), (0, 1, 1), (0, 1, 2))
_TILED = jp2.Codestream(tile=(32, 32), more=jp2.coc(1), tile_parts=[jp2.tile_part(n, jp2.cod()) for n in range(4)])


def _describe_indexed(byte_size: int, limits: SourceLimits | None) -> Parser[SourceDescription]:
    description, index = yield from describe_and_index(byte_size, limits)
    assert index is None or TiffIndex.from_bytes(index.to_bytes()) == index
    return description


_JPEG = {347: Tag(UNDEFINED, b"\xff\xd8\xff\xd9"), 34675: Tag(UNDEFINED, b"p" * 40)}

SOURCES: dict[str, tuple[Describe, bytes]] = {
    "tiff": (describe_tiff, write_tiff(*pyramid(64, 48, 3))),
    "tiff big-endian strips": (describe_tiff, write_tiff(PageSpec(tile=None), order=">")),
    "tiff subifds": (describe_tiff, write_tiff(_SUBIFDS, PageSpec(20, 15))),
    "bigtiff": (describe_tiff, write_tiff(*pyramid(64, 48, 2), big=True)),
    "tiff index": (_describe_indexed, write_tiff(*pyramid(64, 48, 2, compression=7, tags=_JPEG))),
    "jp2": (describe_jp2, jp2.write_jp2()),
    "jp2 palette": (describe_jp2, jp2.write_jp2(_PALETTE + jp2.cdef((0, 0, 1)) + jp2.icc())),
    "codestream": (describe_jp2, jp2.Codestream().write()),
    "codestream tiles": (describe_jp2, _TILED.write()),
}

each_source = pytest.mark.parametrize("name", SOURCES)


def _check(describe: Describe, data: bytes) -> None:
    source = Source(data)
    with suppress(IndexingError):
        found = source.run(describe)
        assert found.source_format in {SourceFormat.TIFF, SourceFormat.JP2}
        assert found.levels[0].width * found.levels[0].height == found.width * found.height > 0
        assert SourceDescription.from_json(found.to_json()) == found
    assert len(source.reads) < 200
    assert source.bytes_read < 100_000


@each_source
def test_whole(name: str) -> None:
    describe, data = SOURCES[name]
    assert Source(data).run(describe).levels


@each_source
def test_cut_off_at_every_byte(name: str) -> None:
    """As a truncated copy, and as one that is shorter than its size was said to be."""
    describe, data = SOURCES[name]
    for length in range(len(data)):
        _check(describe, data[:length])

        def shorter(_: int, limits: SourceLimits | None) -> Parser[SourceDescription]:
            return describe(len(data), limits)

        _check(shorter, data[:length])


@each_source
@pytest.mark.parametrize("value", [0x00, 0x01, 0xFF])
def test_every_byte_overwritten(name: str, value: int) -> None:
    describe, data = SOURCES[name]
    for at in range(len(data)):
        _check(describe, data[:at] + bytes([value]) + data[at + 1 :])


@each_source
@given(data=st.data())
def test_overwritten_anywhere(name: str, data: st.DataObject) -> None:
    """Runs of bytes replaced, and perhaps the end cut off."""
    describe, whole = SOURCES[name]
    changed = bytearray(whole)
    pieces = st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from([b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x00\x01"]),
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        piece = data.draw(pieces)
        changed[at : at + len(piece)] = piece
    _check(describe, bytes(changed[: data.draw(st.integers(0, len(changed)))]))


@given(st.binary(max_size=200))
def test_noise_after_a_right_beginning(noise: bytes) -> None:
    for start in (b"II*\x00", b"MM\x00+\x00\x08\x00\x00"):
        _check(describe_tiff, start + noise)
    for start in (b"\xff\x4f\xff\x51", jp2.SIGNATURE, jp2.SIGNATURE + jp2.box(b"ftyp", b"jp2 \x00\x00\x00\x00jp2 ")):
        _check(describe_jp2, start + noise)
