"""Parsers that ask for bytes instead of reading them, and the driver that feeds them.

A parser is a generator: it yields the range, or the ranges, that it needs next, is sent their bytes, and returns what
it found. So the same parser serves a file, an object in a store and a test, and says itself what it costs.
"""

from collections import deque
from collections.abc import Callable, Generator
from typing import TypeVar

from images.indexes.errors import DamagedError, IndexingError, TooLargeError
from images.indexes.ranges import ByteRange

T = TypeVar("T")

Wanted = ByteRange | tuple[ByteRange, ...]
Given = bytes | tuple[bytes, ...]
Parser = Generator[Wanted, Given, T]

MAX_READS = 20_000
"""Reads for one source. Each of 4,096 TIFF directories may need a few."""
MAX_BYTES = 256 * 1024 * 1024
"""Bytes for one source, all reads together: the offsets of two million tiles take 32 MB a level."""

_PAGE_BYTES = 16 * 1024
_KEPT_PAGES = 8


def run(
    parser: Parser[T],
    read: Callable[[int, int], bytes],
    *,
    max_reads: int = MAX_READS,
    max_bytes: int = MAX_BYTES,
) -> T:
    """Feed a parser with `read(start, length)`, which answers fewer bytes only at the end of the source.

    Raises IndexingError, also where the parser asks for more than the caps allow.
    """
    reads = total = 0

    def fetch(wanted: ByteRange) -> bytes:
        nonlocal reads, total
        reads += 1
        total += wanted.length
        if reads > max_reads or total > max_bytes:
            raise TooLargeError("The structure of this file is too large to be read: it is damaged or not an image.")
        return read(wanted.start, wanted.length)

    try:
        wanted = next(parser)
        while True:
            if isinstance(wanted, ByteRange):
                wanted = parser.send(fetch(wanted))
            else:
                wanted = parser.send(tuple(fetch(part) for part in wanted))
    except StopIteration as stop:
        found: T = stop.value
        return found
    finally:
        parser.close()


def read_range(wanted: ByteRange) -> Parser[bytes]:
    """The bytes of one range, as many as there are."""
    given = yield wanted
    if not isinstance(given, bytes):
        raise TypeError("A parser that asked for one range was sent several.")
    return given


class Window:
    """A view of a source that reads a page at a time and keeps the last few, so that neighbouring fields cost one read.

    `byte_size` is that of the whole source. Nothing is asked for beyond it.
    """

    def __init__(self, byte_size: int, page_bytes: int = _PAGE_BYTES) -> None:
        self.byte_size = byte_size
        self._page_bytes = page_bytes
        self._pages: deque[tuple[int, bytes]] = deque(maxlen=_KEPT_PAGES)

    def fetch(self, start: int, length: int, what: str) -> Parser[bytes]:
        """Exactly `length` bytes from `start`. `what` completes "… is not all there".

        Raises DamagedError where the source ends before.
        """
        stop = start + length
        if start < 0 or stop > self.byte_size:
            raise cut_off(what, self.byte_size)
        for page_start, page in self._pages:
            if page_start <= start and stop <= page_start + len(page):
                return page[start - page_start : stop - page_start]
        wanted = ByteRange(start, min(self.byte_size, max(stop, start + self._page_bytes)))
        data = yield from read_range(wanted)
        if len(data) < length:
            raise cut_off(what, start + len(data))
        if wanted.length <= self._page_bytes:
            self._pages.appendleft((start, data))
        return data[:length]


def cut_off(what: str, byte_size: int) -> IndexingError:
    """`what` begins a sentence: "The TIFF header"."""
    return DamagedError(
        f"{what} is not all there: the file ends at byte {byte_size:,}. It was probably cut off during copying."
    )
