"""The code-blocks of a tile with where their bytes are: what windows are planned with."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from images.indexes.errors import DamagedError
from images.indexes.jp2.blocks import ResolutionBlocks, TileBlocks, count_blocks, lay_out
from images.indexes.jp2.markers import CodingStyle
from images.indexes.jp2.packet_headers import has_segments, room
from images.indexes.jp2.precincts import Tile

_BLOCK_BYTES = 18
"""Of where the blocks of a precinct begin, and of the sums of two numbers of layers, for each block at the most."""


@dataclass(frozen=True, slots=True)
class BlockMap:
    """`layout`: by resolution. `count`: blocks. `blocks`: what packets say of them. `offsets`: of each layer all
    blocks, from the start of the source. `segment_starts`: likewise, where in `blocks.segments` theirs begin, if any.
    """

    tile: Tile
    style: CodingStyle
    layout: tuple[ResolutionBlocks, ...]
    count: int
    blocks: TileBlocks
    offsets: "array[int]"
    segment_starts: "array[int]"
    _totals: "dict[int, tuple[bytes, array[int]]]" = field(default_factory=dict, compare=False, repr=False)

    def totals(self, layers: int) -> "tuple[bytes, array[int]]":
        """Passes and bytes that the first `layers` layers have of each block; added up when first asked for."""
        found = self._totals.get(layers)
        if found is None:
            spans = [slice(layer * self.count, (layer + 1) * self.count) for layer in range(layers)]
            passes, lengths = ([each[span] for span in spans] for each in (self.blocks.passes, self.blocks.lengths))
            found = (
                bytes(map(sum, zip(*passes, strict=True))),
                array("I", list(map(sum, zip(*lengths, strict=True)))),
            )
            self._totals[layers] = found
        return found


def map_memory_bytes(blocks: TileBlocks) -> int:
    """What these blocks take at most once they are mapped."""
    starts = 4 * len(blocks.passes) if blocks.segments else 0
    return blocks.memory_bytes + 8 * len(blocks.passes) + starts + _BLOCK_BYTES * len(blocks.zero_bit_planes)


def map_blocks(
    tile: Tile,
    style: CodingStyle,
    blocks: TileBlocks,
    packet_offsets: Sequence[int],
    packet_lengths: Sequence[int],
    order: Sequence[int],
) -> BlockMap:
    """Find where each block's bytes are: behind the header of its packet, one after the other.

    Packets are numbered precinct * layers + layer; `order` is how they follow each other. Raises DamagedError where
    the blocks are not of this tile.
    """
    layers, count = style.layers, count_blocks(tile, style)
    if len(blocks.zero_bit_planes) != count or not len(blocks.passes) == len(blocks.lengths) == count * layers:
        raise DamagedError("The index of code-blocks is not of this image.")
    layout = lay_out(tile, style)
    ends = [at + length for at, length in zip(packet_offsets, packet_lengths, strict=True)]
    offsets = array("I" if not ends or max(ends) <= 0xFFFFFFFF else "Q", [0]) * (count * layers)
    spans = _precinct_blocks(layout, count)
    lengths = blocks.lengths
    for precinct, (start, stop) in enumerate(spans):
        if start == stop:
            continue
        for layer in range(layers):
            end = ends[precinct * layers + layer]
            base = layer * count
            own = lengths[base + start : base + stop]
            body = sum(own)
            if body:
                places = accumulate(own, initial=end - body)
                offsets[base + start : base + stop] = array(offsets.typecode, list(places)[:-1])
    starts = _segment_starts(layout, style, blocks, spans, order, count)
    return BlockMap(tile, style, layout, count, blocks, offsets, starts)


def _precinct_blocks(layout: tuple[ResolutionBlocks, ...], count: int) -> list[tuple[int, int]]:
    """The blocks of each precinct of the tile."""
    firsts: list[int] = []
    for each in layout:
        bands = len(each.grids)
        firsts += each.firsts[::bands] if bands else []
    return list(zip(firsts, [*firsts[1:], count], strict=True))


def _segment_starts(
    layout: tuple[ResolutionBlocks, ...],
    style: CodingStyle,
    blocks: TileBlocks,
    spans: list[tuple[int, int]],
    order: Sequence[int],
    count: int,
) -> "array[int]":
    """Count the codeword segments of each contribution; packets hold them in their order."""
    if not blocks.segments:
        return array("I")
    flags_of = [style.of(each.resolution.component).flags for each in layout for _ in range(each.resolution.count)]
    starts = array("I", [0]) * len(blocks.passes)
    before = bytearray(count)
    at = 0
    for packet in order:
        precinct, layer = divmod(packet, style.layers)
        flags = flags_of[precinct]
        if not has_segments(flags):
            continue
        base = layer * count
        for block in range(*spans[precinct]):
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
