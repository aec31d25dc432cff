"""Charts as SVG, drawn on the server: readable without a script, and by screen readers.

Pure. What cannot be drawn (None, infinities, what is no number) is a gap.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 8, 12, 24
_INNER_WIDTH, _INNER_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_STEPS = 4
_COLOURS = 8
"""Classes chart-0 to chart-7 of the style sheet."""

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML has no way to write."""

Value = float | None
Unit = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Chart:
    """`labels` are of the points; each series has as many values. `top` is the end of the scale, if it is known.

    `stacked`: bars, each series upon the one before; else a line for each. `binary`: the scale has powers of two.
    """

    title: str
    description: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: Unit = "{:,.0f}".format
    top: float | None = None
    stacked: bool = False
    binary: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(value is not None for series in self.series for value in _drawn(series.values))

    def rows(self) -> list[tuple[str, list[str]]]:
        """The same as a table: of each point its label and its values as texts."""
        columns = [_drawn(series.values) for series in self.series]
        cells = [[self._cell(values, number) for values in columns] for number in range(len(self.labels))]
        return list(zip(self.labels, cells, strict=True))

    def _cell(self, values: Sequence[float | None], number: int) -> str:
        value = values[number] if number < len(values) else None
        return "—" if value is None else self.unit(value)


def chart_svg(chart: Chart, identifier: str) -> str:
    """The element; `identifier` is of its own on the page, for what names and describes it."""
    columns = [_drawn(series.values)[: len(chart.labels)] for series in chart.series]
    top = _drawn([chart.top])[0] or nice_top(_highest(columns, stacked=chart.stacked), binary=chart.binary)
    draw = _bars if chart.stacked else _lines
    head = (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg" '
        f"aria-labelledby={quoteattr(f'{identifier}-title')} aria-describedby={quoteattr(f'{identifier}-desc')}>"
        f"<title id={quoteattr(f'{identifier}-title')}>{_text(chart.title)}</title>"
        f"<desc id={quoteattr(f'{identifier}-desc')}>{_text(chart.description)}</desc>"
    )
    return "".join((head, *_scale(chart, top), *draw(columns, len(chart.labels), top), "</svg>"))


def nice_top(highest: float, *, binary: bool = False) -> float:
    """The end of a scale that this value fits under: 1, 2, 4, 5 or 10 times a power of ten, or a power of two."""
    if not highest > 0 or not math.isfinite(highest):
        return 1.0
    if binary:
        return 2.0 ** min(1023, math.ceil(math.log2(max(highest, 1.0))))
    power = 10.0 ** min(300, math.floor(math.log10(max(highest, 1e-300))))
    return next((power * step for step in (1, 2, 4, 5, 10) if power * step >= highest), highest)


def _drawn(values: Sequence[Value]) -> list[float | None]:
    """What can be drawn; below zero there is nothing."""
    drawn: list[float | None] = []
    for value in values:
        try:
            number = math.nan if value is None else float(value)
        except OverflowError:
            number = math.inf
        drawn.append(max(0.0, number) if math.isfinite(number) else None)
    return drawn


def _highest(columns: Sequence[Sequence[float | None]], *, stacked: bool) -> float:
    if not stacked:
        return max((value for values in columns for value in values if value is not None), default=0.0)
    count = max(map(len, columns), default=0)
    return max((sum(_at(values, number) for values in columns) for number in range(count)), default=0.0)


def _at(values: Sequence[float | None], number: int) -> float:
    return (values[number] or 0.0) if number < len(values) else 0.0


def _scale(chart: Chart, top: float) -> Iterator[str]:
    for step in range(_STEPS + 1):
        share = step / _STEPS
        y = _y(share)
        yield f'<line class="chart-rule" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_text(chart.unit(top * share))}</text>'
    count = len(chart.labels)
    shown = sorted({0, count // 2, count - 1}) if count else []
    for number in shown:
        anchor = "start" if number == 0 and count > 1 else "end" if number == count - 1 and count > 1 else "middle"
        label = _text(chart.labels[number])
        yield f'<text x="{_middle(number, count):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{label}</text>'


def _lines(columns: Sequence[Sequence[float | None]], count: int, top: float) -> Iterator[str]:
    for place, values in enumerate(columns):
        for run in _runs(values):
            points = [(_middle(number, count), _y(_share(value, top))) for number, value in run]
            spelled = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield f'<polyline class="chart-line chart-{place % _COLOURS}" points="{spelled}"/>'
            if len(points) == 1:
                (x, y), colour = points[0], place % _COLOURS
                yield f'<circle class="chart-{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """The points between gaps."""
    run: list[tuple[int, float]] = []
    for number, value in enumerate(values):
        if value is not None:
            run.append((number, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _bars(columns: Sequence[Sequence[float | None]], count: int, top: float) -> Iterator[str]:
    width = max(1.0, _INNER_WIDTH / max(1, count) * 0.8)
    for number in range(count):
        below = 0.0
        x = _middle(number, count) - width / 2
        for place, values in enumerate(columns):
            value = _at(values, number)
            lower, upper = _y(_share(below, top)), _y(_share(below + value, top))
            below += value
            if value:
                yield (
                    f'<rect class="chart-{place % _COLOURS}" x="{x:.1f}" y="{upper:.1f}" width="{width:.1f}" '
                    f'height="{lower - upper:.1f}"/>'
                )


def _share(value: float, top: float) -> float:
    return min(1.0, value / top)


def _middle(number: int, count: int) -> float:
    return _LEFT + _INNER_WIDTH * (number + 0.5) / max(1, count)


def _y(share: float) -> float:
    return _TOP + _INNER_HEIGHT * (1 - share)


def _text(text: str) -> str:
    return escape(_UNWRITABLE.sub("", text))
