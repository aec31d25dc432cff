"""Bytes that were read of a source, found by where they were."""

from bisect import bisect_right
from collections.abc import Sequence

from images.indexes.ranges import ByteRange


class Chunks:
    """The bytes that were read, by where they are in the source."""

    def __init__(self, ranges: Sequence[ByteRange], chunks: Sequence[bytes]) -> None:
        self._starts = [each.start for each in ranges]
        self._ranges = ranges
        self._views = [memoryview(chunk) for chunk in chunks]

    def at(self, offset: int) -> tuple[memoryview, int, int]:
        """The chunk that holds the byte at `offset`, and the offsets where it starts and stops."""
        number = bisect_right(self._starts, offset) - 1
        return self._views[number], self._starts[number], self._ranges[number].stop
