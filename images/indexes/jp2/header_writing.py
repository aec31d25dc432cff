"""Writes packet headers for code-blocks in one quality layer (T.800 B.10; T.814 for high throughput blocks)."""

from collections.abc import Sequence
from dataclasses import dataclass

PLACE_ROW = 20
"""A place in a grid is row << 20 | column, so that the place above it in a tag tree is a shift away."""
_ABOVE = ~(1 << (PLACE_ROW - 1))
_COLUMN = (1 << PLACE_ROW) - 1
_MOST_PASSES = 164
_MOST_ZERO_BIT_PLANES = 80


def _passes_code(passes: int) -> str:
    """T.800 table B.4."""
    if passes <= 2:
        return "0" if passes == 1 else "10"
    if passes < 6:
        return "11" + format(passes - 3, "02b")
    if passes < 37:
        return "1111" + format(passes - 6, "05b")
    return "111111111" + format(passes - 37, "07b")


_PASSES = ("", *map(_passes_code, range(1, _MOST_PASSES + 1)))
_RUNS = tuple("0" * zeros + "1" for zeros in range(_MOST_ZERO_BIT_PLANES + 1))
_MORE_LENGTH_BITS = tuple("1" * ones + "0" for ones in range(40))

Segments = Sequence[tuple[int, int]]
"""Passes and bytes of each codeword segment of a block."""


@dataclass(frozen=True, slots=True)
class BandBlocks:
    """What a packet holds of one band: a grid of `across` by `down` blocks, and those that are in it, row by row.

    `places`: row << 20 | column of each. `passes` and `zero_bit_planes` of each, and its bytes in `lengths`, or in
    `segments` where blocks have several codeword segments.
    """

    across: int
    down: int
    places: Sequence[int]
    zero_bit_planes: Sequence[int]
    passes: Sequence[int]
    lengths: Sequence[int]
    segments: Sequence[Segments] = ()


_STUFFED_BITS = 1024
"""Looked at together; a multiple of 8. What is behind an FF in them is looked at again."""


def write_header(bands: Sequence[BandBlocks]) -> bytes:
    """The header of a packet that is the first of its precinct and holds at least one block."""
    pieces = ["1"]
    for band in bands:
        if band.places:
            pieces += _band(band)
        elif band.across and band.down:
            pieces.append("0")
    return _stuffed("".join(pieces))


def _band(band: BandBlocks) -> list[str]:
    codes = map(_segments_code, band.segments) if band.segments else map(_length_code, band.passes, band.lengths)
    planes = _zero_bit_planes(band.places, band.zero_bit_planes, max(band.across, band.down))
    own = {
        place: f"{zeros}{_PASSES[passes]}{code}"
        for place, zeros, passes, code in zip(band.places, planes, band.passes, codes, strict=True)
    }
    included = _inclusion(band.across, band.down, band.places)
    find = own.get
    pieces: list[str] = []
    for place in sorted(included):
        pieces.append(included[place])
        pieces.append(find(place, ""))
    return pieces


def _length_code(passes: int, length: int) -> str:
    """The one codeword segment of a block (T.800 B.10.7.1)."""
    log = passes.bit_length() - 1
    width = max(3 + log, length.bit_length())
    return _MORE_LENGTH_BITS[width - log - 3] + bin(length | 1 << width)[3:]


def _segments_code(segments: Segments) -> str:
    """T.800 B.10.7.2."""
    length_bits = max(3, *(length.bit_length() - passes.bit_length() + 1 for passes, length in segments))
    lengths = "".join(bin(length | 1 << length_bits + passes.bit_length() - 1)[3:] for passes, length in segments)
    return _MORE_LENGTH_BITS[length_bits - 3] + lengths


def _inclusion(across: int, down: int, places: Sequence[int]) -> dict[int, str]:
    """The bits of the inclusion tag tree by the block at which they are written (T.800 B.10.2, B.10.4).

    Its values are 0 for blocks that are there and 1 for others, and it is asked for values below 1: so each node is
    one bit, written at its first block, unless a node above already said that nothing below it is there.
    """
    levels = [frozenset(places)]
    widths, heights = [across], [down]
    while widths[-1] > 1 or heights[-1] > 1:
        levels.append(frozenset([place >> 1 & _ABOVE for place in levels[-1]]))
        widths.append((widths[-1] + 1) >> 1)
        heights.append((heights[-1] + 1) >> 1)
    bits = {0: "1"}
    find = bits.get
    for level in range(len(levels) - 2, -1, -1):
        here, width, height = levels[level], widths[level], heights[level]
        for above in levels[level + 1]:
            first = above << 1
            is_wide, is_high = (first & _COLUMN) + 1 < width, (first >> PLACE_ROW) + 1 < height
            nodes = [first]
            if is_wide:
                nodes.append(first + 1)
            if is_high:
                nodes.append(first + (1 << PLACE_ROW))
                if is_wide:
                    nodes.append(first + (1 << PLACE_ROW) + 1)
            for node in nodes:
                place = node << level
                bits[place] = find(place, "") + ("1" if node in here else "0")
    return bits


def _zero_bit_planes(places: Sequence[int], planes: Sequence[int], length: int) -> list[str]:
    """The bits of the tag tree of zero bit-planes for each block; blocks that are not there don't count (T.800 B.10.5).

    `length`: blocks along the longer side of the grid.
    """
    trees = [dict(zip(places, planes, strict=True))]
    for _ in range((length - 1).bit_length()):
        above: dict[int, int] = {}
        find = above.get
        for node, value in trees[-1].items():
            parent = node >> 1 & _ABOVE
            known = find(parent)
            if known is None or value < known:
                above[parent] = value
        trees.append(above)
    codes: list[str] = []
    seen: list[set[int]] = [set() for _ in trees]
    top = len(trees) - 1
    for place, value in zip(places, planes, strict=True):
        node, code, level = place, "", 0
        while level < top:
            node = node >> 1 & _ABOVE
            level += 1
            least = trees[level][node]
            code = _RUNS[value - least] + code
            if node in seen[level]:
                break
            seen[level].add(node)
            value = least
        else:
            code = _RUNS[value] + code
        codes.append(code)
    return codes


def _stuffed(bits: str) -> bytes:
    """Whole bytes; the bit behind each FF is 0, and the last byte is none (T.800 B.10.1)."""
    done = bytearray()
    at, end = 0, len(bits)
    carried = ""
    while at < end or carried:
        following = carried + bits[at : at + _STUFFED_BITS - len(carried)]
        taken = len(following) - len(carried)
        padded = following + "0" * (-len(following) % 8)
        data = int(padded, 2).to_bytes(len(padded) // 8, "big")
        found = data.find(0xFF)
        if found < 0:
            done += data
            at, carried = at + taken, ""
            continue
        done += data[: found + 1]
        at += min(taken, 8 * (found + 1) - len(carried))
        carried = "0"
        if at >= end:
            done.append(0)
            break
    return bytes(done)
