"""Where packets are: lists against headers, storage, and whatever is done to a file."""

import tracemalloc
import zlib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.iiif.geometry import Region
from images.indexes import parsing
from images.indexes.errors import DamagedError, IndexingError
from images.indexes.jp2 import indexing, packet_lists
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.block_plan import find_window, plan_window
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


def indexed(
    data: bytes, limits: SourceLimits | None = None, blocks_from_pixels: int = indexing.BLOCKS_FROM_PIXELS
) -> Indexed:
    source = Source(data)
    found = parsing.run(index_packets(len(data), limits, blocks_from_pixels), source.read)
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


@pytest.mark.parametrize("blob", [b"", b"JPX\x02", b"JPX\x01" + zlib.compress(b""), b"JPX\x02" + zlib.compress(b"xyz")])
def test_what_was_not_stored_is_not_read_back(blob: bytes) -> None:
    with pytest.raises(IndexingError):
        PacketIndex.from_bytes(blob)


@pytest.mark.parametrize("name", ["RPCL listed", "small blocks, mode 5", "lossy", "limiting precincts, mode 0"])
def test_code_blocks_are_stored_and_read_back(name: str) -> None:
    index = indexed(variant(name), blocks_from_pixels=0).index
    assert index is not None
    again = PacketIndex.from_bytes(index.to_bytes())
    assert again == index
    blocks, found = again.tiles[0].blocks, again.blocks
    assert blocks is not None
    assert found is not None
    assert again.block_count == found.count == len(blocks.zero_bit_planes) > 0
    assert sum(blocks.lengths) < again.codestream_bytes
    without = indexed(variant(name), blocks_from_pixels=10**9).index
    assert without is not None
    assert without.has_blocks == (name == "lossy"), "high throughput code-blocks can't do without"
    if without.has_blocks:
        return
    assert without.blocks is None
    assert again.memory_bytes > without.memory_bytes + 11 * len(blocks.passes)
    assert {number: tile.lengths for number, tile in without.tiles.items()} == {
        number: tile.lengths for number, tile in again.tiles.items()
    }


@pytest.mark.parametrize("name", ["LRCP sop eph", "RPCL sop listed", "small blocks sop eph"])
def test_code_blocks_lie_behind_the_headers_of_their_packets(name: str) -> None:
    """Whatever SOP and EPH stand between: the bodies of all packets, and nothing else, are code-blocks."""
    data = variant(name)
    index = indexed(data, blocks_from_pixels=0).index
    assert index is not None
    found = index.blocks
    assert found is not None
    offsets = [found.offsets(place % found.count)[place] for place in range(len(found.blocks.lengths))]
    stretches = sorted(
        (offset, offset + length) for offset, length in zip(offsets, found.blocks.lengths, strict=True) if length
    )
    assert all(before[1] <= after[0] for before, after in pairwise(stretches))
    packets = index.tile_map(0)
    assert sum(stop - start for start, stop in stretches) < sum(packets.lengths)
    ends = {offset + length for offset, length in zip(packets.offsets, packets.lengths, strict=True)}
    bodies = {stop for _, stop in stretches}
    assert bodies & ends
    assert not any(data[start : start + 2] in {b"\xff\x91", b"\xff\x92"} for start, _ in stretches)


def test_blocks_of_another_image_are_refused() -> None:
    one, other = (indexed(variant(name), blocks_from_pixels=0).index for name in ("RPCL listed", "RPCL tiny precincts"))
    assert one is not None
    assert other is not None
    mixed = replace(one, tiles={0: replace(one.tiles[0], blocks=other.tiles[0].blocks)})
    with pytest.raises(DamagedError):
        _ = mixed.blocks
    segmented = indexed(variant("small blocks, mode 5"), blocks_from_pixels=0).index
    assert segmented is not None
    blocks = segmented.tiles[0].blocks
    assert blocks is not None
    fewer = replace(blocks, segments=blocks.segments[:-1])
    with pytest.raises(DamagedError):
        _ = replace(segmented, tiles={0: replace(segmented.tiles[0], blocks=fewer)}).blocks


def test_code_blocks_are_limited() -> None:
    """Packets are indexed all the same, from the list where there is one."""
    for limits in (SourceLimits(max_indexed_contributions=100), SourceLimits(max_indexed_code_blocks=10)):
        found = indexed(variant("RPCL listed"), limits, blocks_from_pixels=0)
        assert found.index is not None
        assert not found.index.has_blocks


def test_claimed_blocks_cost_nothing() -> None:
    """Half a gigapixel in blocks of 4 × 4, in a few bytes."""
    style = writer.block_style(levels=1, block=(0, 0))
    data = writer.Codestream(right=30_000, bottom=20_000, cod=writer.cod(style)).write()
    tracemalloc.start()
    try:
        assert indexed(data, blocks_from_pixels=0).index is None
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_list_that_hides_damaged_headers_is_no_use_for_blocks() -> None:
    """With the code-blocks all headers are read, and one that can't be tells that the list is of something else."""
    data = bytearray(variant("RPCL listed"))
    start = data.index(b"\xff\x93") + 2
    data[start : start + 40] = b"\xff\x7f" * 20
    assert indexed(bytes(data)).index is not None
    assert indexed(bytes(data), blocks_from_pixels=0).index is None


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
    index = indexed(whole, blocks_from_pixels=0).index
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
        window = find_window(index, region, 1)
        assert (window is not None) == index.has_blocks
        if window is not None and window.blocks:
            plan = plan_window(index, window, region, 1)
            assert assemble(plan, [whole[each.start : each.stop] for each in plan.ranges])


@pytest.mark.parametrize("name", MUTATED)
@pytest.mark.parametrize("value", [0x00, 0xFF])
def test_every_header_byte_overwritten(name: str, value: int) -> None:
    data = MUTATED[name]
    for at in range(min(220, len(data))):
        found = indexed(data[:at] + bytes([value]) + data[at + 1 :], blocks_from_pixels=0)
        assert found.index is not None or found.reason


@pytest.mark.parametrize("name", MUTATED)
def test_a_packet_can_not_be_longer_than_its_tile(name: str) -> None:
    """Also where its code-blocks add up to more than any number here holds."""
    data = bytearray(MUTATED[name])
    for at in range(120, 400):
        changed = data[:at] + b"\xff\x7f\xff|" + data[at + 4 :]
        found = indexed(bytes(changed[:2534]), blocks_from_pixels=0)
        assert found.index is not None or found.reason


def test_reads_are_bounded() -> None:
    reads, total = indexing.reads_and_bytes(1_000_000, SourceLimits())
    assert reads > 1_000
    assert total > 1_000_000
