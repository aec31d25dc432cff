"""A source in memory that counts what is read of it."""

from collections.abc import Callable
from typing import TypeVar

from images.indexes import parsing
from images.indexes.description import SourceDescription
from images.indexes.jp2.description import describe as describe_jp2
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser
from images.indexes.tiff.description import describe as describe_tiff
from images.indexes.tiff.index import TiffIndex, describe_and_index

T = TypeVar("T")


class Source:
    """Answers reads of `data`, short at its end, and remembers how many and how long they were."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        assert start >= 0
        assert length >= 0
        self.reads.append((start, length))
        return self.data[start : start + length]

    @property
    def bytes_read(self) -> int:
        return sum(length for _, length in self.reads)

    def run(self, describe: Callable[[int, SourceLimits | None], Parser[T]], limits: SourceLimits | None = None) -> T:
        return parsing.run(describe(len(self.data), limits), self.read)


def read_tiff(data: bytes, limits: SourceLimits | None = None) -> SourceDescription:
    return Source(data).run(describe_tiff, limits)


def index_tiff(data: bytes) -> tuple[SourceDescription, TiffIndex]:
    description, index = Source(data).run(describe_and_index)
    assert index is not None
    return description, index


def read_jp2(data: bytes, limits: SourceLimits | None = None) -> SourceDescription:
    return Source(data).run(describe_jp2, limits)
