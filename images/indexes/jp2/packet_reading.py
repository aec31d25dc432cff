"""Reads packet after packet of a tile to learn how long each is; bodies are passed over."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from images.indexes.errors import DamagedError, TooLargeError
from images.indexes.jp2.blocks import BlockRecord
from images.indexes.jp2.markers import CodingStyle
from images.indexes.jp2.packet_headers import EPH, SOP, SOP_BYTES, Band, Bits, read_header
from images.indexes.jp2.precincts import Resolution, Tile, block_counts
from images.indexes.parsing import Parser, read_range
from images.indexes.ranges import ByteRange

_READ_BYTES = 1 << 20
_LEAST_AHEAD_BYTES = 16_384
_BLOCK_HEADER_BYTES = 64
_TERMALL_BLOCK_HEADER_BYTES = 512
_TERMALL = 0x04


class Work:
    """What reading packet headers of one source may cost.

    `most_blocks`: code-blocks that are kept at a time; all of a precinct are looked at in each of its packets, which
    may be done so often that headers of sixteen layers can be read.
    """

    def __init__(self, most_blocks: int) -> None:
        self.most_blocks = most_blocks
        self._visits = 16 * most_blocks

    def visit(self, blocks: int) -> None:
        self._visits -= blocks
        if self._visits < 0:
            raise TooLargeError("The image has more code-blocks and layers than this server indexes.")


@dataclass(slots=True)
class PacketReading:
    """A tile that is being read. `order`: its packets as they follow each other; `packed`: packet headers, if apart.

    `lengths` and `header_lengths` grow as packets are read; the latter only where headers are packed. `record` takes
    down the code-blocks, if they are wanted.
    """

    tile: Tile
    style: CodingStyle
    order: "array[int]"
    packed: bytes | None
    record: BlockRecord | None = None
    lengths: "array[int]" = field(default_factory=lambda: array("I"))
    header_lengths: "array[int]" = field(default_factory=lambda: array("I"))


class _Precincts:
    """The code-blocks of the precincts of a tile; made when first needed, forgotten with the last layer."""

    def __init__(self, reading: PacketReading, work: Work) -> None:
        self._tile, self._style = reading.tile, reading.style
        self.record = reading.record
        self._last_layer = reading.style.layers - 1
        self._bands: dict[int, list[Band]] = {}
        self._work = work
        self._left = work.most_blocks
        self._resolution_of = array("H")
        for number, resolution in enumerate(reading.tile.resolutions):
            self._resolution_of.extend([number] * resolution.count)

    def resolution(self, precinct: int) -> Resolution:
        return self._tile.resolutions[self._resolution_of[precinct]]

    def bands(self, precinct: int) -> list[Band]:
        found = self._bands.get(precinct)
        if found is None:
            found = self._bands[precinct] = list(self._make(precinct))
        self._work.visit(sum(len(band.passes) for band in found))
        return found

    def leave(self, precinct: int, layer: int) -> None:
        """The packet has been read."""
        if layer == self._last_layer and precinct in self._bands:
            self._left += sum(len(band.passes) for band in self._bands.pop(precinct))

    def _make(self, precinct: int) -> Iterator[Band]:
        resolution = self.resolution(precinct)
        style = self._style.of(resolution.component)
        inner = precinct - resolution.first
        firsts: Sequence[int] = ()
        if self.record is not None:
            layout = self.record.layout[self._resolution_of[precinct]]
            bands = len(layout.grids)
            firsts = layout.firsts[inner * bands : (inner + 1) * bands]
        for band, (across, down) in enumerate(block_counts(resolution, style, self._tile, inner)):
            self._left -= across * down
            if self._left < 0:
                raise TooLargeError("A tile of the image has more code-blocks than this server indexes.")
            if across and down:
                yield Band(across, down, firsts[band] if firsts else 0)

    def ahead(self, precinct: int) -> int:
        """Bytes within which the header of a packet of this precinct ends, whatever it holds that makes sense."""
        resolution = self.resolution(precinct)
        style = self._style.of(resolution.component)
        counts = block_counts(resolution, style, self._tile, precinct - resolution.first)
        each = _TERMALL_BLOCK_HEADER_BYTES if style.flags & _TERMALL else _BLOCK_HEADER_BYTES
        return _LEAST_AHEAD_BYTES + each * sum(across * down for across, down in counts)


class _Buffer:
    """A stretch of the source; moves forward with what is asked for."""

    def __init__(self) -> None:
        self.start = 0
        self.data = b""

    def ensure(self, at: int, length: int, stop: int) -> Parser[None]:
        wanted = min(at + length, stop)
        if wanted <= at or (self.start <= at and wanted <= self.start + len(self.data)):
            return
        wanted = min(stop, at + max(length, _READ_BYTES))
        self.data = yield from read_range(ByteRange(at, wanted))
        self.start = at
        if len(self.data) < wanted - at:
            raise DamagedError("The image data end too early: the file was probably cut off during copying.")


def read_packets(reading: PacketReading, parts: list[ByteRange], work: Work) -> Parser[list[int]]:
    """Fill `reading`; the number of packets in each part.

    Raises DamagedError where packets and data don't end together, or a packet header can't be.
    """
    try:
        if reading.packed is None:
            return (yield from _read_inline(reading, parts, work))
        return (yield from _read_packed(reading, parts, work))
    except IndexError as error:
        raise DamagedError("A packet header of the JPEG 2000 image data has no end.") from error
    except OverflowError as error:
        raise TooLargeError("A packet of the JPEG 2000 image data is longer than what is indexed.") from error


def _read_inline(reading: PacketReading, parts: list[ByteRange], work: Work) -> Parser[list[int]]:
    precincts = _Precincts(reading, work)
    layers = reading.style.layers
    order, lengths = reading.order, reading.lengths
    buffer = _Buffer()
    counts: list[int] = []
    done = 0
    aheads: dict[int, int] = {}
    for part in parts:
        at, first = part.start, done
        while at < part.stop:
            if done == len(order):
                raise DamagedError("The image data hold more than the packets that the header describes.")
            precinct, layer = divmod(order[done], layers)
            ahead = aheads.get(precinct)
            if ahead is None:
                ahead = aheads[precinct] = precincts.ahead(precinct)
            if not (buffer.start <= at and min(at + ahead, part.stop) <= buffer.start + len(buffer.data)):
                yield from buffer.ensure(at, ahead, part.stop)
            length = _packet_length(buffer.data, at - buffer.start, precincts, precinct, layer, reading.style)
            at += length
            if at > part.stop:
                raise DamagedError("A packet of the image data reaches beyond the end of its tile.")
            lengths.append(length)
            done += 1
        counts.append(done - first)
    if done != len(order):
        raise DamagedError(f"The image data end after {done:,} of {len(order):,} packets.")
    return counts


def _packet_length(data: bytes, at: int, precincts: _Precincts, precinct: int, layer: int, style: CodingStyle) -> int:
    start = at
    if style.has_sop and data[at : at + 4] == SOP:
        at += SOP_BYTES
    at, body = _read_packet_header(data, at, precincts, precinct, layer, style)
    return at - start + body


def _read_packet_header(
    data: bytes, at: int, precincts: _Precincts, precinct: int, layer: int, style: CodingStyle
) -> tuple[int, int]:
    """Where the header ends, and how many bytes the body has."""
    body = 0
    if data[at] < 0x80:
        at += 1
    else:
        bits = Bits(data, at)
        bits.bit()
        component = precincts.resolution(precinct).component
        body = read_header(bits, precincts.bands(precinct), layer, style.of(component), precincts.record)
        at = bits.end()
    precincts.leave(precinct, layer)
    if style.has_eph and data[at : at + 2] == EPH:
        at += 2
    return at, body


def _read_packed(reading: PacketReading, parts: list[ByteRange], work: Work) -> Parser[list[int]]:
    """Headers come from one place, bodies from another: only the lengths of bodies move through the parts."""
    precincts = _Precincts(reading, work)
    packed = reading.packed or b""
    buffer = _Buffer()
    counts = [0] * len(parts)
    number = header_at = 0
    at = parts[0].start
    for packet in reading.order:
        precinct, layer = divmod(packet, reading.style.layers)
        start = header_at
        header_at, body = _read_packet_header(packed, header_at, precincts, precinct, layer, reading.style)
        while at == parts[number].stop and number + 1 < len(parts) and (body or reading.style.has_sop):
            number += 1
            at = parts[number].start
        if reading.style.has_sop:
            yield from buffer.ensure(at, SOP_BYTES, parts[number].stop)
            if buffer.data[at - buffer.start :][:4] == SOP:
                body += SOP_BYTES
        at += body
        if at > parts[number].stop:
            raise DamagedError("A packet of the image data reaches beyond the end of its tile.")
        reading.header_lengths.append(header_at - start)
        reading.lengths.append(body)
        counts[number] += 1
    if header_at != len(packed) or at != parts[number].stop or any(part.length for part in parts[number + 1 :]):
        raise DamagedError("The image data hold more than the packets that the header describes.")
    return counts
