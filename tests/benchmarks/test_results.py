"""Figures, ratios and what they are held against."""

from pathlib import Path

import pytest

from benchmarks.claims import CLAIMS, ahead_of_peers, at_least, at_most, exact
from benchmarks.report import write
from benchmarks.results import Measurement, Results, cpu_ms, per_second, percentile

OURS, PLAIN = ("session", "jp2-rpcl-plt", "ours"), ("session", "jp2-rpcl-plt", "plain")


def measurement(cpu_seconds: float, *, seconds: float = 1.0, failed: int = 0) -> Measurement:
    return Measurement(100, failed, seconds, cpu_seconds, latencies=tuple(number / 1000 for number in range(1, 101)))


@pytest.mark.parametrize(("percent", "expected"), [(50, 5), (95, 10), (100, 10), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent: int, expected: int) -> None:
    assert percentile(range(1, 11), percent) == expected


def test_ratios_are_taken_round_by_round() -> None:
    results = Results()
    for ours, plain in ((1.0, 4.0), (10.0, 20.0), (2.0, 6.0)):
        results.add(*OURS, measurement(ours))
        results.add(*PLAIN, measurement(plain))
    assert results.ratio(cpu_ms, OURS, PLAIN) == pytest.approx(1 / 3)


def test_a_claim_is_met_or_not_or_not_measured() -> None:
    results = Results()
    claim = at_most(cpu_ms, OURS, PLAIN, 0.5)
    assert claim(results).met is None
    results.add(*OURS, measurement(1.0))
    results.add(*PLAIN, measurement(3.0))
    assert claim(results).met is True
    assert at_most(cpu_ms, OURS, PLAIN, 0.3)(results).met is False
    assert at_least(per_second, OURS, PLAIN, 2.0)(results).met is False


def test_answers_that_failed_meet_nothing() -> None:
    results = Results()
    results.add(*OURS, measurement(0.1, failed=1))
    results.add(*PLAIN, measurement(3.0))
    assert at_most(cpu_ms, OURS, PLAIN, 0.5)(results).met is False


def test_a_peer_that_is_faster_is_named() -> None:
    results = Results()
    results.add(*OURS, measurement(1.0, seconds=2.0))
    results.add("session", "jp2-rpcl-plt", "iipimage", measurement(1.0, seconds=1.0))
    found = ahead_of_peers(results)
    assert found.met is False
    assert "jp2-rpcl-plt (session) iipimage: 0.50 tiles/s" in found.measured


def test_one_region_that_differs_is_too_many() -> None:
    results = Results()
    results.add("exact", "jp2-lrcp", "ours", Measurement(9, 0, 0.0, extra={"differing": 0.0, "compared": 9.0}))
    assert exact(results).met is True
    results.add("exact", "jp2-tiled", "ours", Measurement(9, 0, 0.0, extra={"differing": 1.0, "compared": 9.0}))
    assert exact(results).met is False


def test_the_report_has_a_row_for_every_claim(tmp_path: Path) -> None:
    results = Results()
    results.facts = {"size": "12000x9000", "rounds": 1, "corpus": []}
    results.add(*OURS, measurement(1.0))
    results.add(*PLAIN, measurement(4.0))
    results.missing["iipimage"] = "there is none"
    written = write(results, tmp_path, "result")
    text = (tmp_path / "result.md").read_text()
    assert all(claim.asked in text for claim in CLAIMS)
    assert "there is none" in text
    assert "0.25 (10 against 40)" in text
    assert {path.suffix for path in written} == {".json", ".md", ".svg"}
    assert (tmp_path / "result.svg").read_text().count("<rect") == 5
