"""The driver and the window that keeps the number of reads low."""

import pytest

from images.indexes.errors import DamagedError, TooLargeError
from images.indexes.parsing import Parser, Window, read_range, run
from images.indexes.ranges import ByteRange
from tests.images.indexes.reading import Source


def test_feeds_one_range_or_several() -> None:
    def parser() -> Parser[tuple[bytes, object]]:
        one = yield from read_range(ByteRange(0, 2))
        several = yield (ByteRange(2, 4), ByteRange(6, 7))
        return one, several

    assert run(parser(), Source(b"abcdefgh").read) == (b"ab", (b"cd", b"g"))


def test_caps_reads() -> None:
    def endless() -> Parser[None]:
        while True:
            yield ByteRange(0, 1)

    source = Source(b"a")
    with pytest.raises(TooLargeError):
        run(endless(), source.read, max_reads=10)
    assert len(source.reads) == 10


def test_caps_bytes_before_they_are_read() -> None:
    def greedy() -> Parser[bytes]:
        return (yield from read_range(ByteRange(0, 1_000)))

    source = Source(b"a" * 1_000)
    with pytest.raises(TooLargeError):
        run(greedy(), source.read, max_bytes=999)
    assert source.reads == []


def test_neighbours_cost_one_read() -> None:
    def parser(window: Window) -> Parser[list[bytes]]:
        found = []
        for start in (0, 4, 8, 2):
            data = yield from window.fetch(start, 2, "It")
            found.append(data)
        return found

    source = Source(bytes(range(32)))
    assert run(parser(Window(32, page_bytes=16)), source.read) == [b"\x00\x01", b"\x04\x05", b"\x08\x09", b"\x02\x03"]
    assert source.reads == [(0, 16)]


def test_jumping_between_pages_reads_each_once() -> None:
    def parser(window: Window) -> Parser[None]:
        for start in (0, 100, 1, 101, 2, 102):
            yield from window.fetch(start, 1, "It")

    source = Source(bytes(128))
    run(parser(Window(128, page_bytes=16)), source.read)
    assert source.reads == [(0, 16), (100, 16)]


@pytest.mark.parametrize(("byte_size", "start", "length"), [(8, 8, 1), (8, 0, 9), (8, 1 << 60, 1), (16, 6, 4)])
def test_what_is_cut_off_is_said_to_be(byte_size: int, start: int, length: int) -> None:
    """Beyond the size of the source, or where it turns out shorter than its size."""
    with pytest.raises(DamagedError, match=r"The header is not all there: the file ends at byte 8\."):
        run(Window(byte_size).fetch(start, length, "The header"), Source(b"x" * 8).read)
