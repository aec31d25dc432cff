"""Cutting large rectangles: nothing left out, nothing twice, no piece too large."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from images.decoders.cuts import AT_ONCE_SAMPLES, STRIP_BYTES, Cuts, TileGrid, at_once, cut_pieces, cut_rows
from images.decoders.resample import Axis, Span, plan_axis

SAMPLES = st.integers(1, 4)
LENGTHS = st.integers(64, 60_000)
TILES = st.one_of(
    st.none(), st.builds(TileGrid, st.integers(-500, 0), st.integers(-500, 0), *[st.integers(16, 4_096)] * 2)
)


def axis(start: int, length: int) -> Axis:
    return plan_axis(Span(start, length, start + length + 7, length), start + length + 7, 1)


def check(cuts: Cuts, horizontal: Axis, vertical: Axis) -> None:
    for positions, length in ((cuts.columns, horizontal.length), (cuts.rows, vertical.length)):
        assert (positions[0], positions[-1]) == (0, length)
        assert all(before < after for before, after in pairwise(positions))
    numbers = [number for row in range(cuts.strips) for number, _ in cuts.strip(row)]
    assert numbers == list(range(len(cuts)))


@given(st.integers(0, 999), LENGTHS, st.integers(0, 999), LENGTHS, SAMPLES, TILES, st.integers(4_000_000, 12_000_000))
def test_pieces_cover_the_rectangle_within_the_limits(
    x: int, width: int, y: int, height: int, samples: int, tiles: TileGrid | None, most: int
) -> None:
    horizontal, vertical = axis(x, width), axis(y, height)
    cuts = cut_pieces(horizontal, vertical, samples, tiles, most)
    check(cuts, horizontal, vertical)
    assert (len(cuts) == 1) == (width * height * samples <= most)
    for number in range(len(cuts)) if len(cuts) < 100 else (0, len(cuts) // 2, len(cuts) - 1):
        piece = cuts.piece(number)
        wide, high = (span[1] - span[0] for span in (piece.columns, piece.rows))
        assert wide * high * samples <= max(most, 64 * high * samples)
        assert high * width * samples <= STRIP_BYTES or len(cuts) == 1


@given(LENGTHS, LENGTHS, SAMPLES, TILES)
def test_strips_cover_the_rectangle_within_the_limit(
    width: int, height: int, samples: int, tiles: TileGrid | None
) -> None:
    horizontal, vertical = axis(5, width), axis(9, height)
    cuts = cut_rows(horizontal, vertical, samples, tiles, AT_ONCE_SAMPLES)
    check(cuts, horizontal, vertical)
    assert cuts.across == 1
    highest = max(after - before for before, after in pairwise(cuts.rows))
    assert highest * width * samples <= max(AT_ONCE_SAMPLES, 64 * width * samples)


def test_a_gigapixel_in_tiles_is_cut_where_tiles_end() -> None:
    cuts = cut_pieces(axis(0, 30_000), axis(0, 30_000), 3, TileGrid(0, 0, 1024, 1024), at_once(3 * 1024**2))
    assert cuts.rows == (*range(0, 30_000, 1024), 30_000)
    assert all(column % 1024 == 0 for column in cuts.columns[:-1])


def test_tiles_that_begin_left_of_the_image_count_from_there() -> None:
    cuts = cut_pieces(axis(100, 30_000), axis(0, 30_000), 3, TileGrid(-24, -8, 1024, 1024), 12_000_000)
    assert all((column + 100 + 24) % 1024 == 0 for column in cuts.columns[1:-1])
    assert all((row + 8) % 1024 == 0 for row in cuts.rows[1:-1])


def test_the_first_strip_is_a_small_part_of_a_large_image() -> None:
    for side in (10_000, 16_000, 30_000):
        cuts = cut_pieces(axis(0, side), axis(0, side), 3, None, at_once(3 * side**2))
        assert cuts.rows[1] <= side / 15


def test_the_larger_a_tile_the_less_of_it_at_once() -> None:
    assert at_once(1) == AT_ONCE_SAMPLES
    assert at_once(900_000_000) < AT_ONCE_SAMPLES
    assert at_once(10**12) == 4_000_000
