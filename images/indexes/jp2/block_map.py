"""The code-blocks of a tile with where their bytes are: what windows are planned with."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from images.indexes.errors import DamagedError
from images.indexes.jp2.blocks import ResolutionBlocks, TileBlocks, count_blocks, lay_out
from images.indexes.jp2.markers import CodingStyle
from images.indexes.jp2.packet_headers import has_segments, room
from images.indexes.jp2.precincts import Tile

_BLOCK_BYTES = 18
"""Of where the blocks of a precinct begin, and of what was found, for each block at the most."""


@dataclass(frozen=True, slots=True)
class BlockMap:
    """`layout`: by resolution. `count`: blocks. `blocks`: what packets say of them. `segment_starts`: of each layer all
    blocks, where in `blocks.segments` theirs begin, if any.

    Where bytes are is found precinct by precinct, when first asked for: of a gigapixel, half a million blocks are not
    looked at for the few hundred of a window. Two threads may find the same; they write the same.
    """

    tile: Tile
    style: CodingStyle
    layout: tuple[ResolutionBlocks, ...]
    count: int
    blocks: TileBlocks
    segment_starts: "array[int]"
    _packets: "tuple[array[int], array[int]]" = field(repr=False)
    _firsts: "array[int]" = field(compare=False, repr=False)
    _offsets: "array[int]" = field(compare=False, repr=False)
    _is_found: bytearray = field(compare=False, repr=False)

    def offsets(self, block: int) -> "array[int]":
        """Of each layer all blocks, from the start of the source; those of the block's precinct are found."""
        precinct = bisect_right(self._firsts, block) - 1
        if not self._is_found[precinct]:
            self._find(precinct)
        return self._offsets

    def totals(self, run: range, layers: int) -> tuple[Sequence[int], Sequence[int]]:
        """Passes and bytes that the first `layers` layers have of each block of a run."""
        spans = [slice(base + run.start, base + run.stop) for base in range(0, layers * self.count, self.count)]
        passes, lengths = ([each[span] for span in spans] for each in (self.blocks.passes, self.blocks.lengths))
        if layers == 1:
            return passes[0], lengths[0]
        return list(map(sum, zip(*passes, strict=True))), list(map(sum, zip(*lengths, strict=True)))

    def _find(self, precinct: int) -> None:
        """The bytes of blocks lie behind the header of their packet, one after the other."""
        start, stop = self._firsts[precinct : precinct + 2]
        offsets, lengths = self._offsets, self.blocks.lengths
        packet_offsets, packet_lengths = self._packets
        for layer in range(self.style.layers):
            packet = precinct * self.style.layers + layer
            base = layer * self.count
            own = lengths[base + start : base + stop]
            if body := sum(own):
                places = accumulate(own, initial=packet_offsets[packet] + packet_lengths[packet] - body)
                offsets[base + start : base + stop] = array(offsets.typecode, list(places)[:-1])
        self._is_found[precinct] = 1


def map_memory_bytes(blocks: TileBlocks) -> int:
    """What these blocks take at most once they are mapped."""
    starts = 4 * len(blocks.passes) if blocks.segments else 0
    return blocks.memory_bytes + 8 * len(blocks.passes) + starts + _BLOCK_BYTES * len(blocks.zero_bit_planes)


def map_blocks(
    tile: Tile,
    style: CodingStyle,
    blocks: TileBlocks,
    packet_offsets: "array[int]",
    packet_lengths: "array[int]",
    find_order: "Callable[[], array[int]]",
) -> BlockMap:
    """What is needed to find where each block's bytes are.

    Packets are numbered precinct * layers + layer; `find_order` tells how they follow each other, where that matters.
    Raises DamagedError where the blocks are not of this tile.
    """
    layers, count = style.layers, count_blocks(tile, style)
    if len(blocks.zero_bit_planes) != count or not len(blocks.passes) == len(blocks.lengths) == count * layers:
        raise DamagedError("The index of code-blocks is not of this image.")
    layout = lay_out(tile, style)
    firsts = _precinct_firsts(layout, count)
    starts = _segment_starts(layout, style, blocks, firsts, find_order, count)
    is_near = max(packet_offsets, default=0) + max(packet_lengths, default=0) <= 0xFFFFFFFF
    offsets = array("I" if is_near else "Q", [0]) * (count * layers)
    packets = (packet_offsets, packet_lengths)
    return BlockMap(tile, style, layout, count, blocks, starts, packets, firsts, offsets, bytearray(len(firsts)))


def _precinct_firsts(layout: tuple[ResolutionBlocks, ...], count: int) -> "array[int]":
    """The first block of each precinct of the tile, and behind the last."""
    firsts = array("I")
    for each in layout:
        if each.grids:
            firsts += each.firsts[:: len(each.grids)]
    firsts.append(count)
    return firsts


def _segment_starts(
    layout: tuple[ResolutionBlocks, ...],
    style: CodingStyle,
    blocks: TileBlocks,
    firsts: "array[int]",
    find_order: "Callable[[], array[int]]",
    count: int,
) -> "array[int]":
    """Count the codeword segments of each contribution; packets hold them in their order."""
    if not blocks.segments:
        return array("I")
    flags_of = [style.of(each.resolution.component).flags for each in layout for _ in range(each.resolution.count)]
    starts = array("I", [0]) * len(blocks.passes)
    before = bytearray(count)
    at = 0
    for packet in find_order():
        precinct, layer = divmod(packet, style.layers)
        flags = flags_of[precinct]
        if not has_segments(flags):
            continue
        base = layer * count
        for block in range(firsts[precinct], firsts[precinct + 1]):
            passes = blocks.passes[base + block]
            if passes:
                starts[base + block] = at
                at += len(cut(before[block], passes, flags))
                before[block] += passes
    if at != len(blocks.segments):
        raise DamagedError("The index of code-blocks does not count its segments right.")
    return starts


def cut(before: int, passes: int, flags: int) -> list[int]:
    """How many of `passes` go to each codeword segment, `before` passes into a block (T.800 table D.9)."""
    if not has_segments(flags):
        return [passes]
    counts = []
    while passes:
        added = min(passes, room(before, flags))
        counts.append(added)
        before += added
        passes -= added
    return counts
