"""Packet headers that are written are those that are read."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.indexes.jp2 import header_writing
from images.indexes.jp2.block_map import cut
from images.indexes.jp2.blocks import BlockRecord, TileBlocks
from images.indexes.jp2.header_writing import PLACE_ROW, BandBlocks, Segments, write_header
from images.indexes.jp2.markers import BlockStyle
from images.indexes.jp2.packet_headers import Band, Bits, read_header


def read(data: bytes, sizes: Sequence[tuple[int, int]], flags: int) -> tuple[int, TileBlocks]:
    """Where the header ends, and what it says."""
    bands, first = [], 0
    for across, down in sizes:
        if across and down:
            bands.append(Band(across, down, first))
        first += across * down
    record = BlockRecord((), first, 1)
    bits = Bits(data, 0)
    assert bits.bit() == 1
    read_header(bits, bands, 0, BlockStyle(5, 6, 6, flags, 1, ()), record)
    found = record.finished()
    assert found is not None
    return bits.end(), found


@st.composite
def bands(draw: st.DrawFn, flags: int) -> tuple[list[BandBlocks], list[tuple[int, int]]]:
    made, sizes = [], []
    for _ in range(draw(st.sampled_from([1, 3]))):
        across, down = draw(st.integers(0, 9)), draw(st.integers(0, 7))
        everywhere = [row << PLACE_ROW | column for row in range(down) for column in range(across)]
        places = sorted(draw(st.sets(st.sampled_from(everywhere)))) if everywhere else []
        count = len(places)
        passes = draw(st.lists(st.integers(1, 109), min_size=count, max_size=count))
        if flags & 0x40:
            passes = [1 + each % 3 for each in passes]
        length = st.integers(0, 3) | st.integers(0, 400) | st.integers(0, 60_000)
        segments: list[Segments] = []
        if flags:
            segments = [[(added, draw(st.integers(0, 600))) for added in cut(0, each, flags)] for each in passes]
        lengths = [draw(length) if not flags else sum(each for _, each in segments[at]) for at in range(count)]
        planes = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count))
        made.append(BandBlocks(across, down, places, planes, passes, lengths, segments))
        sizes.append((across, down))
    return made, sizes


@pytest.mark.parametrize("flags", [0, 0x01, 0x04, 0x05, 0x40])
@settings(max_examples=150)
@given(drawn=st.data())
def test_what_is_written_is_read(flags: int, drawn: st.DataObject) -> None:
    made, sizes = drawn.draw(bands(flags))
    if not any(band.places for band in made):
        return
    data = write_header(made)
    assert data[-1] != 0xFF
    stop, found = read(data + b"\x00\x00", sizes, flags)
    assert stop == len(data)
    first = 0
    for band in made:
        at = {
            (place >> PLACE_ROW) * band.across + (place & 0xFFFFF): number for number, place in enumerate(band.places)
        }
        for block in range(band.across * band.down):
            number = at.get(block)
            passes, length = (0, 0) if number is None else (band.passes[number], band.lengths[number])
            assert (found.passes[first + block], found.lengths[first + block]) == (passes, length)
            if number is not None:
                assert found.zero_bit_planes[first + block] == band.zero_bit_planes[number]
        first += band.across * band.down
    assert list(found.segments) == [length for band in made for segments in band.segments for _, length in segments]


def test_the_bits_of_a_block() -> None:
    """The first of three by two code-blocks, as in the example of T.800 B.10.8."""
    places = [0, 1, 1 << PLACE_ROW | 2]
    band = BandBlocks(3, 2, places, (3, 4, 6), (3, 2, 1), (6, 4, 4))
    stop, found = read(write_header([band]) + b"\x00", [(3, 2)], 0)
    assert stop == len(write_header([band]))
    assert list(found.passes) == [3, 2, 0, 0, 0, 1]
    assert list(found.lengths) == [6, 4, 0, 0, 0, 4]
    # one 1 for a packet that is not empty, 111 for the first block there, 000111 for three bit-planes, 1100 for three
    # passes, 0 for Lblock as it is, 0110 for six bytes in 3 + 1 bits
    bits = "".join(f"{byte:08b}" for byte in write_header([band]))
    assert bits.startswith("1" + "111" + "000111" + "1100" + "0" + "0110")


def stuffed_bit_by_bit(bits: str) -> bytes:
    """T.800 B.10.1, as it is written there."""
    done = bytearray()
    byte, room = 0, 8
    for bit in bits:
        byte, room = byte << 1 | (bit == "1"), room - 1
        if not room:
            done.append(byte)
            room = 7 if byte == 0xFF else 8
            byte = 0
    if room < (7 if done[-1:] == b"\xff" else 8) or done[-1:] == b"\xff":
        done.append(byte << room)
    return bytes(done)


@given(st.lists(st.sampled_from(["1" * 8, "1" * 1021, "0", "01", "1" * 40, "0" * 1023, "1"]), max_size=30).map("".join))
def test_bits_are_stuffed_behind_every_ff(bits: str) -> None:
    assert header_writing._stuffed(bits) == stuffed_bit_by_bit(bits)


def test_stuffing_looks_at_each_bit_a_bounded_number_of_times(monkeypatch: Any) -> None:
    """All ones are FF after FF: what a hostile file can have written."""
    seen: list[int] = []

    def counting(text: str, base: int) -> int:
        seen.append(len(text))
        return int(text, base)

    monkeypatch.setattr(header_writing, "int", counting, raising=False)
    assert len(header_writing._stuffed("1" * 60_000)) == 8_000
    assert sum(seen) < 8_001 * 1_100
