"""Packet headers: how long each packet is where nothing lists it (T.800 B.10; T.814 for high throughput blocks)."""

from array import array

from images.indexes.errors import DamagedError
from images.indexes.jp2.blocks import BlockRecord
from images.indexes.jp2.markers import BlockStyle

_BYPASS, _TERMALL, _HIGH_THROUGHPUT = 0x01, 0x04, 0x40
_SEGMENTED = _BYPASS | _TERMALL | _HIGH_THROUGHPUT
_UNKNOWN = 0xFFFF
_MOST_ZERO_BIT_PLANES = 80
_MOST_LENGTH_BITS = 32
_MOST_PASSES = 164

SOP = b"\xff\x91\x00\x04"
SOP_BYTES = 6
EPH = b"\xff\x92"


class Bits:
    """Bits of a packet header; after FF one is stuffed in (T.800 B.10.1). Raises IndexError at the end of the data."""

    __slots__ = ("at", "byte", "data", "left")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.byte = 0
        self.left = 0

    def bit(self) -> int:
        if not self.left:
            self.left = 7 if self.byte == 0xFF else 8
            self.byte = self.data[self.at]
            self.at += 1
        self.left -= 1
        return self.byte >> self.left & 1

    def bits(self, count: int) -> int:
        value = 0
        while count > self.left:
            value = value << self.left | self.byte & ((1 << self.left) - 1)
            count -= self.left
            self.left = 7 if self.byte == 0xFF else 8
            self.byte = self.data[self.at]
            self.at += 1
        self.left -= count
        return value << count | self.byte >> self.left & ((1 << count) - 1)

    def end(self) -> int:
        """Where the bytes behind the header begin."""
        return self.at + 1 if self.byte == 0xFF else self.at


class TagTree:
    """A tag tree (T.800 B.10.2). Nodes are numbered level by level from the leaves; the root is the last."""

    __slots__ = ("lows", "parents", "values")

    def __init__(self, across: int, down: int) -> None:
        parents = array("I")
        first = 0
        while across * down > 1:
            above = first + across * down
            width = (across + 1) // 2
            for row in range(down):
                base = above + (row >> 1) * width
                parents.extend([base + (column >> 1) for column in range(across)])
            first, across, down = above, width, (down + 1) // 2
        parents.append(first)
        self.parents = parents
        self.values = array("H", [_UNKNOWN]) * len(parents)
        self.lows = array("H", [0]) * len(parents)

    def decode(self, bits: Bits, leaf: int, threshold: int) -> int:
        """The value of a leaf if it is below `threshold`, else a number that is not."""
        parents, values, lows = self.parents, self.values, self.lows
        path = [leaf]
        while (parent := parents[leaf]) != leaf:
            leaf = parent
            path.append(leaf)
        low = 0
        for node in reversed(path):
            low = max(low, lows[node])
            value = values[node]
            if value == _UNKNOWN:
                while low < threshold:
                    if bits.bit():
                        values[node] = value = low
                        break
                    low += 1
                lows[node] = low
                if value == _UNKNOWN:
                    return threshold
        return min(value, threshold)


class Band:
    """The code-blocks of one band in one precinct, and what the packets so far said of them.

    `first`: the number of its first block, where blocks are recorded.
    """

    __slots__ = ("first", "inclusion", "length_bits", "passes", "zero_bit_planes")

    def __init__(self, across: int, down: int, first: int = 0) -> None:
        self.first = first
        self.inclusion = TagTree(across, down)
        self.zero_bit_planes = TagTree(across, down)
        self.length_bits = bytearray(b"\x03") * (across * down)
        self.passes = bytearray(across * down)


def has_segments(flags: int) -> bool:
    """Whether blocks of this style may have more than one codeword segment."""
    return bool(flags & _SEGMENTED)


def read_header(bits: Bits, bands: list[Band], layer: int, style: BlockStyle, record: BlockRecord | None = None) -> int:
    """Read one packet header, not empty, behind its first bit. The bytes of code-blocks that follow it.

    `record` takes down what it says of each block. Raises DamagedError where it says what can't be, IndexError where
    the data end.
    """
    total = 0
    is_segmented = has_segments(style.flags)
    for band in bands:
        passes_so_far = band.passes
        for block in range(len(passes_so_far)):
            before = passes_so_far[block]
            if before:
                if not bits.bit():
                    continue
            else:
                if band.inclusion.decode(bits, block, layer + 1) > layer:
                    continue
                planes = _read_zero_bit_planes(bits, band, block)
                if record is not None:
                    record.zero_bit_planes[band.first + block] = planes
            passes = _read_passes(bits)
            if before + passes > _MOST_PASSES:
                raise DamagedError("A packet header of the JPEG 2000 image data claims too many coding passes.")
            length_bits = band.length_bits[block] = _read_length_bits(bits, band.length_bits[block])
            lengths = _read_lengths(bits, length_bits, before, passes, style.flags)
            length = sum(lengths)
            total += length
            passes_so_far[block] = before + passes
            if record is not None:
                record.add(layer, band.first + block, passes, length)
                if is_segmented:
                    record.add_segments(lengths)
    return total


def _read_zero_bit_planes(bits: Bits, band: Band, block: int) -> int:
    """T.800 B.10.5."""
    planes = band.zero_bit_planes.decode(bits, block, _MOST_ZERO_BIT_PLANES)
    if planes >= _MOST_ZERO_BIT_PLANES:
        raise DamagedError("A packet header of the JPEG 2000 image data claims too many bit-planes.")
    return planes


def _read_length_bits(bits: Bits, length_bits: int) -> int:
    """Lblock, from what it was (T.800 B.10.7.1)."""
    while bits.bit():
        length_bits += 1
        if length_bits > _MOST_LENGTH_BITS:
            raise DamagedError("A packet header of the JPEG 2000 image data claims too long a code-block.")
    return length_bits


def _read_passes(bits: Bits) -> int:
    """T.800 table B.4."""
    if not bits.bit():
        return 1
    if not bits.bit():
        return 2
    more = bits.bits(2)
    if more < 3:
        return 3 + more
    more = bits.bits(5)
    if more < 31:
        return 6 + more
    return 37 + bits.bits(7)


def _read_lengths(bits: Bits, length_bits: int, before: int, passes: int, flags: int) -> list[int]:
    """Bytes of each codeword segment that these passes add to (T.800 B.10.7)."""
    if not flags & _SEGMENTED:
        return [bits.bits(length_bits + passes.bit_length() - 1)]
    lengths = []
    while passes:
        added = min(passes, room(before, flags))
        lengths.append(bits.bits(length_bits + added.bit_length() - 1))
        before += added
        passes -= added
    return lengths


def room(before: int, flags: int) -> int:
    """Passes that the open codeword segment still takes, `before` passes into the code-block (T.800 table D.9)."""
    if flags & _HIGH_THROUGHPUT:
        return 1 if not before else _MOST_PASSES
    if flags & _TERMALL:
        return 1
    if before < 10:
        return 10 - before
    return 2 if (before - 10) % 3 == 0 else 1
