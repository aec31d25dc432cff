import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.decoders.resample import Axis, Method, Span, grid_step, level_scale, plan_axis

lengths = st.integers(1, 5000)
steps = st.sampled_from([1, 2, 3, 4, 5, 8, 16, 32, 64])


@st.composite
def spans(draw: st.DrawFn) -> Span:
    full = draw(lengths)
    start = draw(st.integers(0, full - 1))
    return Span(start, draw(st.integers(1, full - start)), full, draw(st.integers(1, 3000)))


@st.composite
def grids(draw: st.DrawFn) -> tuple[Span, int]:
    """One axis of a tile: the span and its scale factor."""
    full, step = draw(lengths), draw(steps)
    tile = draw(st.integers(1, 512)) * step
    start = draw(st.integers(0, (full - 1) // tile)) * tile
    length = min(tile, full - start)
    return Span(start, length, full, -(-length // step)), step


def first_edge(axis: Axis) -> Fraction:
    """Where the left edge of the first output pixel lies, in level pixels."""
    begin = axis.start - axis.before
    match axis.method:
        case Method.COPY:
            return Fraction(begin)
        case Method.INTERPOLATE:
            return begin + axis.offset + Fraction(1, 2) - axis.ratio / 2
    count = Fraction(axis.before + axis.length + axis.after, axis.box)
    surplus = math.floor(count / axis.ratio + Fraction(1, 2)) * axis.ratio - count
    return begin + axis.box * (axis.skip * axis.ratio - surplus / 2)


@given(spans(), lengths, st.booleans())
def test_every_plan_reads_inside_the_level_and_yields_the_output(span: Span, level: int, flip: bool) -> None:
    axis = plan_axis(span, min(level, span.full), None)
    level = min(level, span.full)
    axis = axis.flipped(level) if flip else axis
    assert 0 <= axis.start < axis.start + axis.length <= level
    assert axis.before >= 0
    assert axis.after >= 0
    padded = axis.before + axis.length + axis.after
    assert axis.output == span.output
    if axis.method is Method.COPY:
        assert padded == axis.output
    if axis.method is Method.REDUCE:
        assert padded % axis.box == 0
        width = math.floor(Fraction(padded, axis.box) / axis.ratio + Fraction(1, 2))
        assert axis.skip >= 0
        assert axis.skip + axis.output <= width


@given(spans(), lengths)
def test_an_arbitrary_region_is_found_within_a_quarter_of_a_pixel(span: Span, level: int) -> None:
    level = min(level, span.full)
    axis = plan_axis(span, level, None)
    if (span.length, span.output) == (span.full, level):
        return
    scale = level_scale(span.full, level)
    ratio = scale * span.length / span.output
    assert abs(first_edge(axis) - span.start * scale) <= max(Fraction(1, 4), ratio / 4)
    assert axis.box * axis.ratio == ratio


@given(grids(), st.data())
def test_tiles_of_a_grid_lie_exactly_where_the_whole_rendering_has_them(
    grid: tuple[Span, int], data: st.DataObject
) -> None:
    span, step = grid
    level_step = data.draw(st.sampled_from([s for s in (1, 2, 3, 4, 8, 16) if s <= step]))
    level = data.draw(st.sampled_from([max(1, span.full // level_step), -(-span.full // level_step)]))
    axis = plan_axis(span, level, step)
    ratio = level_scale(span.full, level) * step
    whole = plan_axis(Span(0, span.full, span.full, -(-span.full // step)), level, step)
    assert axis.box * axis.ratio == ratio
    assert axis.box == whole.box
    assert first_edge(axis) == first_edge(whole) + span.start // step * ratio
    begin, whole_begin = axis.start - axis.before, whole.start - whole.before
    assert (begin - whole_begin) % axis.box == 0


@given(grids(), grids())
def test_tiles_are_recognised(x: tuple[Span, int], y: tuple[Span, int]) -> None:
    if x[1] != y[1]:
        return
    found = grid_step((x[0], y[0]))
    assert found is not None
    for span in (x[0], y[0]):
        assert -(-span.length // found) == span.output


@pytest.mark.parametrize(
    ("spans", "step"),
    [
        ((Span(0, 1024, 4000, 512), Span(1024, 1024, 3000, 512)), 2),
        ((Span(3072, 928, 4000, 464), Span(2048, 952, 3000, 476)), 2),
        ((Span(3072, 927, 3999, 464), Span(2048, 952, 3000, 476)), 2),
        ((Span(0, 4000, 4000, 500), Span(0, 3001, 3001, 376)), 8),
        ((Span(0, 768, 4000, 256), Span(768, 768, 3000, 256)), 3),
        ((Span(1, 1024, 4000, 512), Span(0, 1024, 3000, 512)), None),
        ((Span(0, 1000, 4000, 334), Span(0, 1000, 3000, 334)), None),
        ((Span(0, 512, 4000, 1024), Span(0, 512, 3000, 1024)), None),
        ((Span(0, 4000, 4000, 300), Span(0, 3000, 3000, 225)), None),
    ],
)
def test_grid_step(spans: tuple[Span, Span], step: int | None) -> None:
    assert grid_step(spans) == step


@given(spans(), lengths)
def test_reversing_twice_changes_nothing(span: Span, level: int) -> None:
    level = min(level, span.full)
    axis = plan_axis(span, level, None)
    assert axis.flipped(level).flipped(level) == axis


def test_a_level_that_was_rounded_down_repeats_its_last_pixel() -> None:
    axis = plan_axis(Span(512, 3, 515, 2), 257, 2)
    assert (axis.start, axis.length, axis.before, axis.after) == (256, 1, 0, 1)


def test_a_region_beyond_a_level_that_was_rounded_down_is_its_last_pixel() -> None:
    axis = plan_axis(Span(514, 1, 515, 1), 257, 2)
    assert (axis.start, axis.length, axis.before, axis.after) == (256, 1, 0, 0)
