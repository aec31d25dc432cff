"""Where packets are: lists against headers, storage, and whatever is done to a file."""

import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.iiif.geometry import Region
from images.indexes import parsing
from images.indexes.errors import DamagedError, IndexingError
from images.indexes.jp2 import indexing, packet_lists
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.indexing import Indexed, index_packets
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.sparse_plan import plan_region
from images.indexes.limits import SourceLimits
from tests.images.indexes.jp2 import encoder, writer
from tests.images.indexes.jp2.variants import VARIANTS, picture, variant
from tests.images.indexes.reading import Source

LISTED = [name for name, coding in VARIANTS.items() if "PLT" in coding.lists]
SMALL = encoder.Coding(
    encoder.RPCL, resolutions=3, block=(16, 16), precincts=((32, 32),), rates=(20.0, 5.0), tile=(48, 40)
)
MUTATED = {
    "listed": encoder.encode(picture()[:60, :70], replace(SMALL, lists=("PLT", "TLM"), has_sop=True)),
    "unlisted": encoder.encode(picture()[:60, :70], replace(SMALL, has_eph=True)),
    "modes": encoder.encode(picture()[:60, :70], replace(SMALL, mode=5, progression=encoder.LRCP, tile=None)),
}


def indexed(data: bytes, limits: SourceLimits | None = None) -> Indexed:
    source = Source(data)
    found = parsing.run(index_packets(len(data), limits), source.read)
    assert len(source.reads) < 2_000
    assert source.bytes_read < 4 * len(data) + 5_000 * len(source.reads)
    return found


@pytest.mark.parametrize("name", LISTED)
def test_headers_tell_the_lengths_that_are_listed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = indexed(variant(name)).index
    monkeypatch.setattr(packet_lists, "parse_lengths", _refuse)
    read = indexed(variant(name)).index
    assert listed is not None
    assert read is not None
    assert {number: tile.lengths for number, tile in listed.tiles.items()} == {
        number: tile.lengths for number, tile in read.tiles.items()
    }
    assert listed.to_bytes() == read.to_bytes()


def _refuse(_segments: object) -> None:
    raise DamagedError("not read")


def test_a_list_is_enough() -> None:
    """No packet is looked at where the headers list them."""
    source = Source(variant("RPCL listed"))
    assert parsing.run(index_packets(len(source.data)), source.read).index is not None
    assert source.bytes_read < len(source.data) / 4


@pytest.mark.parametrize("name", ["RPCL listed", "LRCP layer tile-parts", "progression changes"])
def test_stored_and_read_back(name: str) -> None:
    index = indexed(variant(name)).index
    assert index is not None
    again = PacketIndex.from_bytes(index.to_bytes())
    assert again == index
    assert again.memory_bytes > 24 * again.packets


@pytest.mark.parametrize("blob", [b"", b"JPX\x01", b"JPX\x02" + zlib.compress(b""), b"JPX\x01" + zlib.compress(b"xyz")])
def test_what_was_not_stored_is_not_read_back(blob: bytes) -> None:
    with pytest.raises(IndexingError):
        PacketIndex.from_bytes(blob)


def test_a_wrong_list_is_not_believed() -> None:
    data = bytearray(variant("RPCL listed"))
    at = data.index(b"\xff\x58") + 5
    data[at] ^= 0x10
    index, right = indexed(bytes(data)).index, indexed(variant("RPCL listed")).index
    assert index is not None
    assert right is not None
    assert index.tiles == right.tiles


def test_packets_are_limited() -> None:
    found = indexed(variant("RPCL unlisted"), SourceLimits(max_indexed_packets=100))
    assert found.index is None
    assert "packets" in found.reason
    assert indexed(variant("RPCL unlisted"), SourceLimits(max_indexed_code_blocks=20)).index is None
    assert indexed(variant("RPCL offset tiles"), SourceLimits(max_indexed_tiles=3)).index is None


def test_claims_cost_nothing() -> None:
    """A few bytes that claim gigapixels in the smallest precincts and the most layers."""
    style = writer.block_style(levels=5, block=(0, 0))
    data = writer.Codestream(
        right=100_000, bottom=90_000, cod=writer.cod(style, layers=65_535, precincts=b"\x11" * 6)
    ).write()
    found = indexed(data)
    assert found.index is None
    assert found.reason


def test_an_extension_is_not_guessed_at() -> None:
    data = writer.Codestream(more=writer.segment(0xFF76, b"\x00\x00\x00")).write()
    assert "extension" in indexed(data).reason


def test_image_data_that_end_early_say_so() -> None:
    data = variant("RPCL unlisted")
    assert indexed(data[: len(data) // 2]).reason.endswith(".")
    found = indexed(data[:-20] + data[-2:])
    assert found.index is None


@settings(max_examples=400)
@given(st.sampled_from(sorted(MUTATED)), st.data())
def test_overwritten_anywhere(name: str, drawn: st.DataObject) -> None:
    """An index that agrees with itself, or a reason; and what is planned with it can be read."""
    data = bytearray(MUTATED[name])
    for _ in range(drawn.draw(st.integers(1, 4))):
        at = drawn.draw(st.integers(2, len(data) - 1) | st.integers(2, 150))
        piece = drawn.draw(
            st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"])
        )
        data[at : at + len(piece)] = piece
    whole = bytes(data[: drawn.draw(st.integers(1, len(data)) | st.just(len(data)))])
    index = indexed(whole).index
    if index is None:
        return
    index = PacketIndex.from_bytes(index.to_bytes())
    size = index.size
    if size.tile_count > 64:
        return
    width = ceil_shift(size.right, 1) - ceil_shift(size.left, 1)
    height = ceil_shift(size.bottom, 1) - ceil_shift(size.top, 1)
    styles = [index.style_of(number) for number in index.tiles]
    if width and height and styles and min(style.of(0).levels for style in styles):
        region = Region(0, 0, max(1, width // 2), max(1, height // 2))
        plan = plan_region(index, region, 0)
        assert assemble(plan, [whole[each.start : each.stop] for each in plan.ranges])


@pytest.mark.parametrize("name", MUTATED)
@pytest.mark.parametrize("value", [0x00, 0xFF])
def test_every_header_byte_overwritten(name: str, value: int) -> None:
    data = MUTATED[name]
    for at in range(min(220, len(data))):
        found = indexed(data[:at] + bytes([value]) + data[at + 1 :])
        assert found.index is not None or found.reason


def test_reads_are_bounded() -> None:
    reads, total = indexing.reads_and_bytes(1_000_000, SourceLimits())
    assert reads > 1_000
    assert total > 1_000_000
