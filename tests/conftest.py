"""Fixtures shared by all tests, the Hypothesis profiles, and the summary of what was skipped."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.fixtures import moto, objects, postgres, private_postgres, redis_server

__all__ = ["moto", "objects", "postgres", "private_postgres", "redis_server"]

settings.register_profile("ci", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "dev")

PROJECT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("IIIF_TEST_CORPUS", PROJECT.parent / "shared" / "corpus"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real images; tests that need it are skipped where it is not."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus of real images is not here (IIIF_TEST_CORPUS)")
    return CORPUS


@pytest.fixture(autouse=True)
def _tasks_are_known() -> None:
    """Eager tasks run in the process that enqueues, which otherwise knows only their names."""
    import images.tasks  # noqa: F401
    from images import queue
    from images.selectors.activities import forget_milestones
    from images.selectors.asking import expect_answers
    from images.selectors.batches import forget_progress
    from images.selectors.counting import counts
    from images.selectors.searching import forget_searches

    counts.clear()
    forget_milestones()
    forget_progress()
    forget_searches()
    expect_answers()
    queue._broker.note_answer()  # what refused in one test is asked again in the next


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the tests the slow ones come first: none begins one when the others have nothing left."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


SKIPPED = 10
"""The exit status where a test was skipped that had to run; none of pytest's own."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything must run (CI sets IIIF_TESTS_MUST_RUN), a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("IIIF_TESTS_MUST_RUN") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = SKIPPED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of the corpus; and loudly what did not run on this machine, and why."""
    _write_corpus_table(terminalreporter)
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("NOT RUN ON THIS MACHINE", sep="!", yellow=True, bold=True)
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:5d} skipped: {reason}")


def _write_corpus_table(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for state in ("passed", "failed") for report in terminalreporter.stats.get(state, [])]
    rows = sorted(value for report in reports for name, value in report.user_properties if name == "corpus")
    if rows:
        terminalreporter.section("THE CORPUS, SERVED", sep="-")
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
            terminalreporter.write_line("  ".join([*cells, row[3]]))
