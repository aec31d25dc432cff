from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.sources.extents import Assembly, joined, missing, overlaps, union
from tests.support.examples import dear

EXTENTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda one: (one[0], one[0] + one[1])))


def bytes_in(extents: list[tuple[int, int]]) -> set[int]:
    return {at for start, stop in extents for at in range(start, stop)}


@dear
@given(EXTENTS)
def test_a_union_has_the_same_bytes_in_order_and_apart(extents: list[tuple[int, int]]) -> None:
    merged = union(extents)
    assert bytes_in(merged) == bytes_in(extents)
    assert all(start < stop for start, stop in merged)
    assert all(before[1] < after[0] for before, after in pairwise(merged))


@dear
@given(EXTENTS, EXTENTS)
def test_what_is_missing(needed: list[tuple[int, int]], held: list[tuple[int, int]]) -> None:
    left = missing(needed, held)
    assert bytes_in(left) == bytes_in(needed) - bytes_in(held)
    assert left == union(left)
    assert overlaps(needed, held) == bool(bytes_in(needed) & bytes_in(held))


@dear
@given(EXTENTS, EXTENTS, st.integers(0, 30))
def test_joining_fetches_what_is_missing_and_never_more_than_was_asked(
    asked: list[tuple[int, int]], held: list[tuple[int, int]], gap: int
) -> None:
    pieces = missing(asked, held)
    fetched = joined(pieces, gap, asked)
    assert bytes_in(pieces) <= bytes_in(fetched) <= bytes_in(asked)
    assert all(after[0] > before[1] for before, after in pairwise(fetched))


def test_small_gaps_that_were_asked_for_are_fetched_again() -> None:
    assert joined([(0, 10), (14, 20), (40, 50)], 5, [(0, 50)]) == [(0, 20), (40, 50)]
    assert joined([(0, 10), (14, 20)], 5, [(0, 10), (14, 20)]) == [(0, 10), (14, 20)]
    assert joined([(0, 10), (14, 20)], 5, [(0, 12), (12, 20)]) == [(0, 20)]


@dear
@given(EXTENTS, EXTENTS)
def test_an_assembly_wants_what_was_not_added(needed: list[tuple[int, int]], pieces: list[tuple[int, int]]) -> None:
    body = bytes(range(100))
    assembly = Assembly(needed)
    for start, stop in pieces:
        assembly.add(start, body[start:stop])
    assert assembly.wanted() == missing(needed, pieces)
    for start, stop in assembly.wanted():
        assembly.add(start, body[start:stop])
    assert [assembly.get(*one) for one in needed] == [body[start:stop] for start, stop in needed]


def test_what_was_not_asked_for_is_not_there() -> None:
    with pytest.raises(ValueError, match="not asked for"):
        Assembly([(0, 5)]).get(4, 6)
