"""Where every packet of a JPEG 2000 codestream is: the value that ingest stores and regions are planned with."""

import struct
import sys
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from images.indexes.errors import DamagedError
from images.indexes.jp2 import markers
from images.indexes.jp2.markers import CodingStyle, ImageSize
from images.indexes.jp2.precincts import Tile, tile_geometry
from images.indexes.jp2.progression import RPCL, packet_order
from images.indexes.jp2.segments import ProgressionChange, Segment, coding_style
from images.indexes.limits import SourceLimits

SCHEMA = 1
"""Of `PacketIndex.to_bytes`: a blob with another number is made anew."""

_MAGIC = b"JPX"
_MOST_BYTES = 512 * 1024 * 1024
_TILE_OVERHEAD_BYTES = 6_000
_PACKET_BYTES = 12


@dataclass(frozen=True, slots=True)
class TilePackets:
    """The packets of one tile in the order of the codestream.

    `segments`: its own coding parameters. `parts`: where the data of each tile-part begin, from the start of the
    source, and how many packets it holds. `lengths`: bytes of each packet where it lies. `headers`, `header_lengths`:
    packet headers that were packed elsewhere, else empty.
    """

    segments: tuple[Segment, ...]
    changes: tuple[ProgressionChange, ...]
    parts: tuple[tuple[int, int], ...]
    lengths: "array[int]"
    headers: bytes = b""
    header_lengths: "array[int]" = field(default_factory=lambda: array("I"))


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
            block.flags & 0x40
            for number in self.tiles
            for block in (self.style_of(number).default, *self.style_of(number).components.values())
        )

    @property
    def packets(self) -> int:
        return sum(len(tile.lengths) for tile in self.tiles.values())

    @property
    def memory_bytes(self) -> int:
        """What the index takes at most once every tile was asked for."""
        packed = sum(3 * len(tile.headers) + 60 * len(tile.header_lengths) for tile in self.tiles.values())
        own = len(self.jp2_header) + sum(len(segment.data) for segment in self.segments)
        return own + packed + 2 * _PACKET_BYTES * self.packets + _TILE_OVERHEAD_BYTES * len(self.tiles)

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
            offset = start
            for packet, length in zip(order[at : at + count], packets.lengths[at : at + count], strict=True):
                offsets[packet] = offset
                lengths[packet] = length
                offset += length
            at += count
        return TileMap(tile, style, offsets, lengths, _packed_headers(packets, order, total), is_together)

    def to_bytes(self) -> bytes:
        return _MAGIC + bytes([SCHEMA]) + zlib.compress(_write(self), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PacketIndex":
        """Raises DamagedError for what `to_bytes` of this schema did not write."""
        if data[:4] != _MAGIC + bytes([SCHEMA]):
            raise DamagedError("The packet index is of another schema.")
        try:
            inflater = zlib.decompressobj()
            content = inflater.decompress(data[4:], _MOST_BYTES)
            if not inflater.eof:
                raise DamagedError("The packet index is not all there.")
            return _Reader(content).index()
        except (zlib.error, struct.error, IndexError, ValueError) as error:
            raise DamagedError("The packet index is damaged.") from error


def _packed_headers(packets: TilePackets, order: "array[int]", total: int) -> tuple[bytes, ...] | None:
    if not packets.header_lengths:
        return None
    headers = [b""] * total
    at = 0
    for packet, length in zip(order, packets.header_lengths, strict=False):
        headers[packet] = packets.headers[at : at + length]
        at += length
    return tuple(headers)


def _write(index: PacketIndex) -> bytes:
    pieces = [_block(index.jp2_header), struct.pack("<Q", index.codestream_bytes), _segments(index.segments)]
    pieces.append(struct.pack("<I", len(index.tiles)))
    for number, tile in index.tiles.items():
        pieces += [struct.pack("<I", number), _segments(tile.segments), struct.pack("<I", len(tile.changes))]
        pieces += [
            struct.pack(
                "<6H",
                change.resolution_start,
                change.component_start,
                change.layer_stop,
                change.resolution_stop,
                change.component_stop,
                change.progression,
            )
            for change in tile.changes
        ]
        pieces.append(struct.pack("<I", len(tile.parts)))
        pieces += [struct.pack("<QI", *part) for part in tile.parts]
        pieces += [_numbers(tile.lengths), _numbers(tile.header_lengths), _block(tile.headers)]
    return b"".join(pieces)


def _block(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _segments(segments: tuple[Segment, ...]) -> bytes:
    return struct.pack("<I", len(segments)) + b"".join(
        struct.pack("<H", segment.marker) + _block(segment.data) for segment in segments
    )


def _numbers(numbers: "array[int]") -> bytes:
    """All lowest bytes, then all second ones and so on: small numbers compress better so."""
    copy = array("I", numbers)
    if sys.byteorder == "big":
        copy.byteswap()
    raw = copy.tobytes()
    return struct.pack("<I", len(numbers)) + b"".join(raw[plane::4] for plane in range(4))


class _Reader:
    """Takes apart what `_write` put together."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def index(self) -> PacketIndex:
        jp2_header = self._block()
        (codestream_bytes,) = self._unpack("<Q")
        segments = self._segments()
        (count,) = self._unpack("<I")
        tiles: dict[int, TilePackets] = {}
        for _ in range(count):
            (number,) = self._unpack("<I")
            tiles[number] = self._tile()
        return PacketIndex(jp2_header, codestream_bytes, segments, tiles)

    def _tile(self) -> TilePackets:
        segments = self._segments()
        changes = tuple(ProgressionChange(*self._unpack("<6H")) for _ in range(self._count()))
        parts = tuple((start, packets) for start, packets in (self._unpack("<QI") for _ in range(self._count())))
        return TilePackets(
            segments,
            changes,
            parts,
            lengths=self._numbers(),
            header_lengths=self._numbers(),
            headers=self._block(),
        )

    def _unpack(self, layout: str) -> tuple[int, ...]:
        values: tuple[int, ...] = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _count(self) -> int:
        return self._unpack("<I")[0]

    def _block(self) -> bytes:
        length = self._count()
        self._at += length
        if self._at > len(self._data):
            raise ValueError("a block is cut off")
        return self._data[self._at - length : self._at]

    def _segments(self) -> tuple[Segment, ...]:
        return tuple(Segment(self._unpack("<H")[0], self._block()) for _ in range(self._count()))

    def _numbers(self) -> "array[int]":
        count = self._count()
        planes = self._data[self._at : self._at + 4 * count]
        self._at += 4 * count
        raw = bytearray(4 * count)
        for plane in range(4):
            raw[plane::4] = planes[plane * count : (plane + 1) * count]
        numbers = array("I", bytes(raw))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers
