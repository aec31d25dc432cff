"""The results as JSON, as Markdown and as a chart."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.chart import draw
from benchmarks.claims import CLAIMS
from benchmarks.results import Metric, Results, Series, cpu_ms, extra, p50_ms, p95_ms, per_second, server_cpu_ms

TIMES: tuple[Metric, ...] = (per_second, cpu_ms, server_cpu_ms, p50_ms, p95_ms, lambda one: one.seconds)


def write(results: Results, folder: Path, name: str) -> list[Path]:
    """Writes NAME.json, NAME.md and, where sessions were measured, NAME.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    findings = [(claim.asked, claim.find(results)) for claim in CLAIMS]
    facts = results.to_json()
    facts["claims"] = [{"asked": asked, "measured": one.measured, "met": one.met} for asked, one in findings]
    written = [folder / f"{name}.json", folder / f"{name}.md"]
    written[0].write_text(json.dumps(facts, indent=1) + "\n")
    chart = draw([one for one in results.series() if one.suite == "session" and one.rounds], results.facts)
    if chart:
        written.append(folder / f"{name}.svg")
        written[-1].write_text(chart)
    rows = [(asked, one.measured.replace("|", "\\|"), one.mark) for asked, one in findings]
    written[1].write_text(_markdown(results, rows, name if chart else None))
    return written


def _markdown(results: Results, claims: Sequence[tuple[str, str, str]], chart: str | None) -> str:
    parts: list[str] = [
        "# Benchmark",
        _head(results),
        "## Asked and measured",
        _table(("asked", "measured", ""), claims),
        "## Servers",
        _table(("server", "what"), sorted(results.servers.items())),
    ]
    if results.missing:
        parts += ["Missing on this machine:", _table(("server", "why"), sorted(results.missing.items()))]
    parts += ["## Corpus", _table(("file", "what", "bytes", "bytes a pixel"), results.facts.get("corpus", []))]
    if chart:
        parts += ["## Session", f"![Processor time a tile, and tiles a second]({chart}.svg)"]
    suites = dict.fromkeys(one.suite for one in results.series())
    for suite in suites:
        parts += [f"### {suite}", _suite_table([one for one in results.series() if one.suite == suite])]
    parts += [f"- {note}" for note in results.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: Results) -> str:
    facts = results.facts
    return (
        f"{facts.get('date', '')}, {facts.get('cores')} cores ({facts.get('processor', 'unknown')}), "
        f"corpus {facts.get('size')}, {facts.get('rounds')} rounds in turns, medians. Only ratios say something."
    )


def _suite_table(series: Sequence[Series]) -> str:
    names = sorted({name for one in series for measured in one.rounds for name in measured.extra})
    timed = any(measured.seconds for one in series for measured in one.rounds)
    head = ["file", "server"]
    if timed:
        head += ["answers/s", "ms CPU an answer", "without front", "p50 ms", "p95 ms", "seconds"]
    head += [name.replace("_", " ") for name in names] + ["failed"]
    rows = []
    for one in series:
        if not one.rounds:
            rows.append((one.file, one.server, *[""] * (len(head) - 3), one.problem))
            continue
        row = [one.file, one.server]
        if timed:
            row += [_number(one.median(of)) for of in TIMES]
        row += [_number(one.median(extra(name))) for name in names]
        failed = sum(measured.failed for measured in one.rounds)
        rows.append((*row, f"{failed or ''}{' ' + one.problem if one.problem else ''}"))
    return _table(head, rows)


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
