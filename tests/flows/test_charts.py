"""Charts are whole SVG whatever they are given."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.charts import Chart, Series, chart_svg, nice_top
from tests.support.examples import dear

NAMESPACE = "{http://www.w3.org/2000/svg}"
VALUES = st.none() | st.floats() | st.integers() | st.just(10**400)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    count = draw(st.integers(0, 40))
    labels = draw(st.lists(st.text(max_size=8), min_size=count, max_size=count))
    series = draw(st.lists(st.builds(Series, st.text(max_size=9), st.lists(VALUES, max_size=count + 2)), max_size=11))
    top = draw(st.none() | st.floats())
    return Chart(
        draw(st.text()),
        draw(st.text()),
        labels,
        series,
        top=top,
        stacked=draw(st.booleans()),
        binary=draw(st.booleans()),
    )


@dear
@given(charts())
def test_any_chart_is_xml_without_numbers_that_are_none(chart: Chart) -> None:
    svg = chart_svg(chart, "one")
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    title, desc = root.find(f"{NAMESPACE}title"), root.find(f"{NAMESPACE}desc")
    assert title is not None
    assert desc is not None
    assert (root.get("aria-labelledby"), root.get("aria-describedby")) == (title.get("id"), desc.get("id"))
    numbers = [
        float(number)
        for element in root.iter()
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "points")
        for number in re.split("[ ,]", element.get(name, "0"))
    ]
    assert all(math.isfinite(number) and 0 <= number <= 640 for number in numbers)
    assert "on" not in {name[:2] for element in root.iter() for name in element.attrib}
    assert len(chart.rows()) == len(chart.labels)


def drawn(values: list[float | None]) -> ET.Element:
    labels = [str(number) for number in range(len(values))]
    return ET.fromstring(chart_svg(Chart("t", "d", labels, [Series("s", values)]), "one"))


def test_nothing_draws_nothing() -> None:
    root = drawn([None, None])
    assert root.find(f"{NAMESPACE}polyline") is None
    assert Chart("t", "d", ["a"], [Series("s", [None])]).is_empty


def test_a_single_point_can_be_seen() -> None:
    assert drawn([None, 3.0, None]).find(f"{NAMESPACE}circle") is not None


def test_gaps_break_a_line() -> None:
    assert len(drawn([1.0, 2.0, None, 2.0, 1.0]).findall(f"{NAMESPACE}polyline")) == 2


def test_bars_stand_upon_each_other() -> None:
    chart = Chart("t", "d", ["a"], [Series("one", [30]), Series("two", [10])], stacked=True)
    first, second = ET.fromstring(chart_svg(chart, "one")).findall(f"{NAMESPACE}rect")
    assert float(second.get("y", "")) + float(second.get("height", "")) == pytest.approx(float(first.get("y", "")))
    assert float(first.get("height", "")) == pytest.approx(3 * float(second.get("height", "")), abs=0.2)


def test_markup_in_names_is_text() -> None:
    chart = Chart("<script>alert(1)</script>", "&", ["<b>"], [Series("s", [1])])
    svg = chart_svg(chart, "one")
    assert "<script" not in svg
    assert "<b>" not in svg


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (1, 1), (3, 4), (41, 50), (73e9, 100e9), (math.nan, 1)])
def test_scales_end_in_round_numbers(highest: float, top: float) -> None:
    assert nice_top(highest) == pytest.approx(top)


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (0.3, 1), (2**20, 2**20), (2**20 + 1, 2**21), (1e308, 2.0**1023)])
def test_scales_of_bytes_end_in_powers_of_two(highest: float, top: float) -> None:
    assert nice_top(highest, binary=True) == top
