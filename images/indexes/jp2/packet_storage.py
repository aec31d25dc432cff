"""The form in which an index of packets is stored: numbers in planes of bytes, compressed, with a schema number."""

import struct
import sys
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from images.indexes.errors import DamagedError
from images.indexes.jp2.blocks import TileBlocks
from images.indexes.jp2.segments import ProgressionChange, Segment

SCHEMA = 2
"""An index that was stored with another number is made anew."""

_MAGIC = b"JPX"
_MOST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TilePackets:
    """The packets of one tile in the order of the codestream.

    `segments`: its own coding parameters. `parts`: where the data of each tile-part begin, from the start of the
    source, and how many packets it holds. `lengths`: bytes of each packet where it lies. `headers`, `header_lengths`:
    packet headers that were packed elsewhere, else empty. `blocks`: its code-blocks, where they were read.
    """

    segments: tuple[Segment, ...]
    changes: tuple[ProgressionChange, ...]
    parts: tuple[tuple[int, int], ...]
    lengths: "array[int]"
    headers: bytes = b""
    header_lengths: "array[int]" = field(default_factory=lambda: array("I"))
    blocks: TileBlocks | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """All that is stored; `images.indexes.jp2.packet_index.PacketIndex` says what it means."""

    jp2_header: bytes
    codestream_bytes: int
    segments: tuple[Segment, ...]
    tiles: Mapping[int, TilePackets]


def store(index: Stored) -> bytes:
    return _MAGIC + bytes([SCHEMA]) + zlib.compress(_write(index), 6)


def restore(data: bytes) -> Stored:
    """Raises DamagedError for what `store` of this schema did not write."""
    if data[:4] != _MAGIC + bytes([SCHEMA]):
        raise DamagedError("The packet index is of another schema.")
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(data[4:], _MOST_BYTES)
        if not inflater.eof:
            raise DamagedError("The packet index is not all there.")
        return _Reader(content).stored()
    except (zlib.error, struct.error, IndexError, ValueError) as error:
        raise DamagedError("The packet index is damaged.") from error


def _write(index: Stored) -> bytes:
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
        pieces += _blocks(tile.blocks)
    return b"".join(pieces)


def _blocks(blocks: TileBlocks | None) -> list[bytes]:
    if blocks is None:
        return [b"\x00"]
    return [
        b"\x01",
        _block(blocks.zero_bit_planes),
        _block(blocks.passes),
        _short_numbers(blocks.lengths),
        _short_numbers(blocks.segments),
    ]


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


def _short_numbers(numbers: "array[int]") -> bytes:
    raw = numbers.tobytes()
    low = int(sys.byteorder == "big")
    return struct.pack("<I", len(numbers)) + raw[low::2] + raw[1 - low :: 2]


class _Reader:
    """Takes apart what `_write` put together."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def stored(self) -> Stored:
        jp2_header = self._block()
        (codestream_bytes,) = self._unpack("<Q")
        segments = self._segments()
        (count,) = self._unpack("<I")
        tiles: dict[int, TilePackets] = {}
        for _ in range(count):
            (number,) = self._unpack("<I")
            tiles[number] = self._tile()
        return Stored(jp2_header, codestream_bytes, segments, tiles)

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
            blocks=self._blocks(),
        )

    def _blocks(self) -> TileBlocks | None:
        if not self._unpack("<B")[0]:
            return None
        return TileBlocks(self._block(), self._block(), self._short_numbers(), self._short_numbers())

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

    def _short_numbers(self) -> "array[int]":
        count = self._count()
        planes = self._data[self._at : self._at + 2 * count]
        self._at += 2 * count
        raw = bytearray(2 * count)
        low = int(sys.byteorder == "big")
        raw[low::2], raw[1 - low :: 2] = planes[:count], planes[count:]
        return array("H", bytes(raw))
