"""Where every packet of a JPEG 2000 codestream is: what regions are planned with."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate

from images.indexes.jp2 import markers, packet_storage
from images.indexes.jp2.block_map import BlockMap, map_blocks, map_memory_bytes
from images.indexes.jp2.markers import CodingStyle, ImageSize
from images.indexes.jp2.packet_storage import Stored, TilePackets
from images.indexes.jp2.precincts import Tile, tile_geometry
from images.indexes.jp2.progression import RPCL, packet_order
from images.indexes.jp2.segments import Segment, coding_style
from images.indexes.limits import SourceLimits

_TILE_OVERHEAD_BYTES = 6_000
_PACKET_BYTES = 12


@dataclass(frozen=True, slots=True)
class TileMap:
    """A tile with its packets by number: `offsets` from the start of the source and `lengths`, in bytes.

    A packet that is not in the codestream has no bytes. `headers`: the packed header of each packet, if so coded.
    `has_layers_together`: the packets of each precinct follow each other, at most a tile-part header between them.
    """

    tile: Tile
    style: CodingStyle
    offsets: "array[int]"
    lengths: "array[int]"
    headers: tuple[bytes, ...] | None
    has_layers_together: bool = False


@dataclass(frozen=True)
class PacketIndex:
    """`jp2_header`: the contents of the JP2 header box, empty for a bare codestream. `codestream_bytes`: its length.

    `segments`: of the main header. `tiles`: by number; one without any packet may be missing.
    """

    jp2_header: bytes
    codestream_bytes: int
    segments: tuple[Segment, ...]
    tiles: Mapping[int, TilePackets]

    @cached_property
    def size(self) -> ImageSize:
        data = next(segment.data for segment in self.segments if segment.marker == markers.SIZ)
        return markers.parse_size(data, SourceLimits())

    @cached_property
    def style(self) -> CodingStyle:
        """Of the main header."""
        return coding_style(self.segments, len(self.size.components))

    @cached_property
    def is_high_throughput(self) -> bool:
        """T.814: some code-block of some tile is, or may be."""
        return any(segment.marker == markers.CAP for segment in self.segments) or any(
            block.flags & markers.HIGH_THROUGHPUT_BLOCKS
            for number in self.tiles
            for block in (self.style_of(number).default, *self.style_of(number).components.values())
        )

    @cached_property
    def most_levels(self) -> int:
        """Decomposition levels of the component of a tile that has most."""
        styles = [self.style, *(self.style_of(number) for number, tile in self.tiles.items() if tile.segments)]
        return max(block.levels for style in styles for block in (style.default, *style.components.values()))

    @property
    def packets(self) -> int:
        return sum(len(tile.lengths) for tile in self.tiles.values())

    @property
    def memory_bytes(self) -> int:
        """What the index takes at most once every tile was asked for."""
        blocks = sum(map_memory_bytes(tile.blocks) for tile in self.tiles.values() if tile.blocks is not None)
        packed = sum(3 * len(tile.headers) + 60 * len(tile.header_lengths) for tile in self.tiles.values())
        own = len(self.jp2_header) + sum(len(segment.data) for segment in self.segments)
        return own + packed + blocks + 2 * _PACKET_BYTES * self.packets + _TILE_OVERHEAD_BYTES * len(self.tiles)

    @cached_property
    def _maps(self) -> dict[int, TileMap]:
        return {}

    def style_of(self, number: int) -> CodingStyle:
        """The coding parameters of a tile; those of the main header where it has none."""
        packets = self.tiles.get(number)
        if packets is None or not packets.segments:
            return self.style
        return coding_style(packets.segments, len(self.size.components), self.style)

    def tile_map(self, number: int) -> TileMap:
        """The packets of a tile by number; computed when it is first asked for."""
        found = self._maps.get(number)
        if found is None:
            found = self._maps[number] = self._make_map(number)
        return found

    @cached_property
    def blocks(self) -> BlockMap | None:
        """The code-blocks of an image that is one tile, where they are indexed; computed when first asked for."""
        packets = self.tiles.get(0)
        if self.size.tile_count != 1 or packets is None or packets.blocks is None:
            return None
        tile = self.tile_map(0)
        order = partial(self._packet_order, 0)
        return map_blocks(tile.tile, tile.style, packets.blocks, tile.offsets, tile.lengths, order)

    @property
    def has_blocks(self) -> bool:
        """Whether `blocks` has any; costs nothing."""
        packets = self.tiles.get(0)
        return self.size.tile_count == 1 and packets is not None and packets.blocks is not None

    @property
    def block_count(self) -> int:
        """Code-blocks that are indexed."""
        return sum(len(tile.blocks.zero_bit_planes) for tile in self.tiles.values() if tile.blocks is not None)

    def _packet_order(self, number: int) -> "array[int]":
        tile, packets = self.tile_map(number), self.tiles[number]
        return packet_order(tile.tile, tile.style.layers, tile.style.progression, packets.changes)

    def _make_map(self, number: int) -> TileMap:
        style = self.style_of(number)
        tile = tile_geometry(self.size, style, number)
        total = tile.precincts * style.layers
        offsets, lengths = array("Q", [0]) * total, array("I", [0]) * total
        packets = self.tiles.get(number)
        if packets is None:
            return TileMap(tile, style, offsets, lengths, None)
        is_together = style.progression >= RPCL and not packets.changes
        order = packet_order(tile, style.layers, style.progression, packets.changes)
        at = 0
        for start, count in packets.parts:
            own = packets.lengths[at : at + count]
            numbered = zip(order[at : at + count], own, strict=True)
            for (packet, length), offset in zip(numbered, accumulate(own, initial=start), strict=False):
                offsets[packet] = offset
                lengths[packet] = length
            at += count
        return TileMap(tile, style, offsets, lengths, _packed_headers(packets, order, total), is_together)

    def to_bytes(self) -> bytes:
        """Compressed, for `from_bytes`."""
        return packet_storage.store(Stored(self.jp2_header, self.codestream_bytes, self.segments, self.tiles))

    @classmethod
    def from_bytes(cls, data: bytes) -> "PacketIndex":
        """Raises DamagedError for what `to_bytes` of this schema did not write."""
        stored = packet_storage.restore(data)
        return cls(stored.jp2_header, stored.codestream_bytes, stored.segments, stored.tiles)


def _packed_headers(packets: TilePackets, order: "array[int]", total: int) -> tuple[bytes, ...] | None:
    if not packets.header_lengths:
        return None
    headers = [b""] * total
    at = 0
    for packet, length in zip(order, packets.header_lengths, strict=False):
        headers[packet] = packets.headers[at : at + length]
        at += length
    return tuple(headers)
