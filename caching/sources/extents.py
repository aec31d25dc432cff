"""Arithmetic of byte extents: pure. An extent is (start, stop), half-open, not empty; lists of them may be in any order
unless they are said to be a union: in order, apart from each other.
"""

import bisect
from collections.abc import Iterable, Sequence
from itertools import pairwise

Extent = tuple[int, int]


def union(extents: Iterable[Extent]) -> list[Extent]:
    """The same bytes, in order, touching extents made one, empty ones left out."""
    merged: list[Extent] = []
    for start, stop in sorted(extents):
        if start >= stop:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def missing(needed: Iterable[Extent], held: Iterable[Extent]) -> list[Extent]:
    """The union of what is needed and not held."""
    left: list[Extent] = []
    covers = union(held)
    position = 0
    for start, stop in union(needed):
        while position < len(covers) and covers[position][1] <= start:
            position += 1
        at = position
        while start < stop and at < len(covers) and covers[at][0] < stop:
            if start < covers[at][0]:
                left.append((start, covers[at][0]))
            start = max(start, covers[at][1])
            at += 1
        if start < stop:
            left.append((start, stop))
    return left


def overlaps(first: Iterable[Extent], second: Iterable[Extent]) -> bool:
    """Whether any byte is in both."""
    ours = union(first)
    return missing(ours, second) != ours


def joined(pieces: Sequence[Extent], gap_bytes: int, asked: Iterable[Extent]) -> list[Extent]:
    """What to fetch for a union of missing pieces: neighbours at most `gap_bytes` apart as one, where what lies between
    was asked for too. So never more is fetched than was asked for.
    """
    fetched: list[Extent] = []
    between = missing([(before[1], after[0]) for before, after in pairwise(pieces)], asked)
    for piece in pieces:
        if fetched and piece[0] - fetched[-1][1] <= gap_bytes and not overlaps([(fetched[-1][1], piece[0])], between):
            fetched[-1] = (fetched[-1][0], piece[1])
        else:
            fetched.append(piece)
    return fetched


class Assembly:
    """The bytes of some extents, put together from pieces that come in any order and may overlap."""

    def __init__(self, needed: Iterable[Extent]) -> None:
        self.needed = union(needed)
        self._buffers = [bytearray(stop - start) for start, stop in self.needed]
        self._covered: list[Extent] = []

    def wanted(self) -> list[Extent]:
        """The union of what is not there yet."""
        return missing(self.needed, self._covered)

    def add(self, start: int, data: bytes) -> None:
        stop = start + len(data)
        at = max(0, bisect.bisect_right(self.needed, (start, stop)) - 1)
        while at < len(self.needed) and self.needed[at][0] < stop:
            first, last = self.needed[at]
            begin, end = max(start, first), min(stop, last)
            if begin < end:
                self._buffers[at][begin - first : end - first] = memoryview(data)[begin - start : end - start]
                self._covered.append((begin, end))
            at += 1

    def get(self, start: int, stop: int) -> bytes:
        """Of an extent that was needed, once nothing is wanted any more."""
        if start >= stop:
            return b""
        after = bisect.bisect_right(self.needed, (start, stop))
        for at in (after - 1, after):  # the extent that begins here may be longer
            if 0 <= at < len(self.needed) and self.needed[at][0] <= start and stop <= self.needed[at][1]:
                first = self.needed[at][0]
                return bytes(memoryview(self._buffers[at])[start - first : stop - first])
        raise ValueError(f"the extent {start} to {stop} was not asked for")
