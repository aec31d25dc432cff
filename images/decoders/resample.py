"""Where the pixels of a derivative lie in a stored level. Pure; whole numbers and fractions only.

Viewers lay tiles side by side, so a tile must hold the very pixels that one rendering of the whole
level would hold there. For that, (1) a tile's scale is exactly 1 / scale factor, also at the right
and lower edges where size / region differs from it; (2) where a kernel is needed, a margin is read
around the region and cut off afterwards; (3) boxes and kernels start on positions that are the same
for every tile. What lies outside the image repeats its edge.

libvips' `reduceh` puts the middle of output pixel i at (i + 1/2) * ratio - 1/2 - surplus / 2, with
surplus = width * ratio - input width and width = round(input width / ratio): so an input whose
width is a multiple of the ratio has a surplus of nothing, and its first pixel begins at 0.
"""

import enum
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

MARGIN = 4
"""Output pixels read on each side of a reduced region: Lanczos 3 reaches three, rounding one."""

_INTERPOLATION_MARGIN = 3
LARGEST_UNIT = 64
_HALF = Fraction(1, 2)
_MILDEST_REDUCTION = Fraction(5, 4)


class Method(enum.StrEnum):
    COPY = "copy"
    REDUCE = "reduce"
    INTERPOLATE = "interpolate"


@dataclass(frozen=True, slots=True)
class Axis:
    """What to do along one axis, in the order of its fields.

    Read `length` level pixels from `start`; repeat the first `before` times and the last `after`
    times; average blocks of `box` pixels; then, as `method` says, reduce by `ratio` (input per output
    pixel) or interpolate, where output pixel i lies at `offset` + i * `ratio` of the padded
    input, counted between pixel centres; drop `skip` pixels and keep `output`.
    """

    start: int
    length: int
    before: int
    after: int
    box: int
    method: Method
    ratio: Fraction
    offset: Fraction
    skip: int
    output: int

    def flipped(self, level_length: int) -> "Axis":
        """The same for a level that is stored from its other end."""
        padded = self.length + self.before + self.after
        skip = 0
        offset = self.offset
        if self.method is Method.REDUCE:
            width = math.floor(Fraction(padded, self.box) / self.ratio + _HALF)
            skip = width - self.skip - self.output
        elif self.method is Method.INTERPOLATE:
            offset = padded - 1 - (self.output - 1) * self.ratio - self.offset
        return replace(
            self,
            start=level_length - self.start - self.length,
            before=self.after,
            after=self.before,
            offset=offset,
            skip=skip,
        )

    @property
    def is_plain(self) -> bool:
        return self.method is Method.COPY


@dataclass(frozen=True, slots=True)
class Span:
    """One axis of a request: from `start`, `length` pixels of the full image become `output`."""

    start: int
    length: int
    full: int
    output: int


def grid_step(spans: tuple[Span, Span]) -> int | None:
    """The scale factor if the request is a tile of a grid, or a whole level, else None.

    A tile begins at multiples of the scale factor s, its size is ceil(region / s), and its region
    is cut short only by the image's end (Image API 3.0, Implementation notes on tiling). At an
    image's end several s may fit: powers of two are what viewers ask for, so they are tried first.
    """
    least = max(-(-span.length // span.output) for span in spans)
    steps = (1 << (least - 1).bit_length(), least)
    return next((step for step in steps if all(_fits(span, step) for span in spans)), None)


def _fits(span: Span, step: int) -> bool:
    is_whole = span.length % step == 0 or span.start + span.length == span.full
    return is_whole and span.start % step == 0 and -(-span.length // step) == span.output


def is_seamless(axis: Axis) -> bool:
    """Whether its pixels come out the same in whatever region of the grid they are asked for."""
    aligned = axis.method is Method.REDUCE and axis.ratio.denominator <= LARGEST_UNIT
    return aligned or axis.method is Method.COPY


@lru_cache(maxsize=4096)
def level_scale(full: int, level: int) -> Fraction:
    """Level pixels per full pixel: exactly 1/s where the level's length is W/s rounded either way."""
    step = max(1, round(Fraction(full, level)))
    if full // step <= level <= -(-full // step):
        return Fraction(1, step)
    return Fraction(level, full)


def plan_axis(span: Span, level: int, step: int | None) -> Axis:
    """Map `span` to a stored level of `level` pixels; `step` is the grid's scale factor or None."""
    if step is None and span.length == span.full and span.output == level:
        return _axis(0, level, level, Method.COPY, output=level)
    scale = level_scale(span.full, level)
    origin = span.start * scale
    ratio = scale * step if step else scale * span.length / span.output
    if ratio == 1 and origin.denominator == 1:
        begin = int(origin)
        return _axis(begin, begin + span.output, level, Method.COPY, output=span.output)
    if ratio > 1:
        aligned = _reduce_aligned(origin, ratio, level, span.output)
        if aligned is not None:
            return aligned
        if ratio >= _MILDEST_REDUCTION:
            return _reduce_nearest(origin, ratio, level, span.output)
    return _interpolate(origin, ratio, level, span.output)


def _box(ratio: Fraction) -> int:
    """Averaging comes first as far as it leaves the kernel a reduction of two or more."""
    return max(1, math.floor(ratio / 2))


def _reduce_aligned(origin: Fraction, ratio: Fraction, level: int, output: int) -> Axis | None:
    """Reduce from a position at which every other tile of this grid could begin too."""
    position = origin / ratio
    box = _box(ratio)
    unit = (ratio / box).denominator
    if position.denominator != 1 or unit > LARGEST_UNIT:
        return None
    skip = MARGIN + (int(position) - MARGIN) % unit
    width = skip + output + MARGIN
    width += -width % unit
    begin = int((position - skip) * ratio)
    end = begin + int(width * ratio)
    return _axis(begin, end, level, Method.REDUCE, box=box, ratio=ratio / box, skip=skip, output=output)


def _reduce_nearest(origin: Fraction, ratio: Fraction, level: int, output: int) -> Axis:
    """Reduce from the position that comes nearest: an eighth of an output pixel off at the worst."""
    box = _box(ratio)
    residual = ratio / box
    best: tuple[Fraction, int, int, int] | None = None
    first = math.floor(origin - (MARGIN + 1) * ratio)
    shortest = math.ceil((output + 2 * MARGIN + 2) * residual)
    for begin in range(first, first + 2):
        for count in range(shortest, shortest + 12):
            width = math.floor(count / residual + _HALF)
            edge = begin - box * (width * residual - count) / 2
            skip = round((origin - edge) / ratio)
            error = abs(edge + skip * ratio - origin)
            if skip >= MARGIN - 1 and width - skip - output >= MARGIN - 1:
                candidate = (error, begin, count, skip)
                best = candidate if best is None else min(best, candidate)
    if best is None:
        return _interpolate(origin, ratio, level, output)
    _, begin, count, skip = best
    end = begin + count * box
    return _axis(begin, end, level, Method.REDUCE, box=box, ratio=residual, skip=skip, output=output)


def _interpolate(origin: Fraction, ratio: Fraction, level: int, output: int) -> Axis:
    middle = origin + ratio / 2 - _HALF
    begin = math.floor(middle) - _INTERPOLATION_MARGIN
    end = math.ceil(middle + (output - 1) * ratio) + _INTERPOLATION_MARGIN + 1
    return _axis(
        begin,
        end,
        level,
        Method.INTERPOLATE,
        ratio=ratio,
        offset=middle - begin,
        output=output,
    )


def _axis(
    begin: int,
    end: int,
    level: int,
    method: Method,
    *,
    output: int,
    box: int = 1,
    ratio: Fraction = Fraction(1),
    offset: Fraction = Fraction(0),
    skip: int = 0,
) -> Axis:
    """Cut [begin, end) down to what the level has; the rest repeats its edges."""
    start = min(max(begin, 0), level - 1)
    stop = max(min(end, level), start + 1)
    before = max(0, min(start, end - 1) - begin)
    after = end - begin - before - (stop - start)
    return Axis(start, stop - start, before, after, box, method, ratio, offset, skip, output)
