"""A chart of sessions as SVG: for each file and server, processor time a tile and tiles a second, as bars."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from benchmarks.results import Series, cpu_ms, per_second

COLOURS = {
    "ours": "#1b6e63",
    "cores": "#15564d",
    "layers": "#2f9e8c",
    "single": "#7dc4b6",
    "plain": "#b9c9c5",
    "iipimage": "#b4553a",
    "iiif-processor": "#c98a3b",
    "large-image": "#7b5ea7",
}
WIDTH, LEFT, BAR, GAP = 1040, 250, 17, 12
PANEL = 300
FONT = "font-family='system-ui, sans-serif' font-size='12'"


def draw(series: Sequence[Series], facts: Mapping[str, object]) -> str:
    """The SVG; empty where there is nothing to draw."""
    files = list(dict.fromkeys(one.file for one in series))
    if not files:
        return ""
    parts, top = [], 78
    for file in files:
        rows = sorted(
            (one for one in series if one.file == file), key=lambda one: [*COLOURS, one.server].index(one.server)
        )
        parts.append(_text(14, top + BAR - 4, file, weight="600"))
        for one in rows:
            parts.append(_text(LEFT - 10, top + BAR - 4, one.server, anchor="end"))
            parts.append(_bar(LEFT, top, one, rows, cpu_ms, "ms"))
            parts.append(_bar(LEFT + PANEL + 90, top, one, rows, per_second, "/s"))
            top += BAR + 3
        top += GAP
    size = f"{facts.get('size', '')} pixels, {facts.get('rounds', '')} rounds, medians"
    head = [
        _text(14, 24, "An OpenSeadragon session on a cold cache", weight="700", size=17),
        _text(14, 44, f"{size}; bars of each file to their own scale"),
        _text(LEFT, 66, "processor time a tile (shorter is better)", weight="600"),
        _text(LEFT + PANEL + 90, 66, "tiles a second (longer is better)", weight="600"),
    ]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {top + 10}' role='img'>"
        f"<title>An OpenSeadragon session on a cold cache</title>"
        f"<rect width='{WIDTH}' height='{top + 10}' fill='#fff'/>{''.join([*head, *parts])}</svg>\n"
    )


def _bar(left: int, top: int, one: Series, rows: Sequence[Series], of: Callable[..., float], unit: str) -> str:
    """One bar with its value; the longest of the file fills the panel."""
    largest = max(row.median(of) for row in rows) or 1.0
    value = one.median(of)
    length = max(1.0, (PANEL - 70) * value / largest)
    colour = COLOURS.get(one.server, "#888")
    label = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    bad = "" if one.is_whole else " (some failed)"
    return f"<rect x='{left}' y='{top}' width='{length:.1f}' height='{BAR}' fill='{colour}' rx='2'/>" + _text(
        left + length + 6, top + BAR - 4, f"{label} {unit}{bad}"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400", size: int = 0) -> str:
    style = f" style='font-size:{size}px'" if size else ""
    return (
        f"<text x='{x:.0f}' y='{y:.0f}' {FONT} font-weight='{weight}' text-anchor='{anchor}' fill='#222'{style}>"
        f"{escape(text)}</text>"
    )
