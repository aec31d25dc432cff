"""Decoding without isolation."""

import pytest

from images.decoders.errors import DamagedSourceError, DecodeError, OverloadedError
from images.decoders.pool import ThreadRunner
from images.decoders.source import SourceData

NOTHING = SourceData(data=b"")


@pytest.fixture
def runner() -> ThreadRunner:
    return ThreadRunner(2, job_module="tests.images.decoders.fake_jobs")


def test_results_are_complete(runner: ThreadRunner) -> None:
    rendered = runner.run({"kind": "stream", "pieces": 3, "length": 2}, NOTHING)
    assert (rendered.length, rendered.read()) == (6, b"\0\0\1\1\2\2")


def test_closing_drops_the_rest(runner: ThreadRunner) -> None:
    rendered = runner.run({"kind": "stream", "pieces": 3, "length": 2}, NOTHING)
    rendered.close()
    assert list(rendered.chunks) == []


def test_failures_are_those_of_the_pool(runner: ThreadRunner) -> None:
    with pytest.raises(DamagedSourceError):
        runner.run({"kind": "fail", "error": "damaged"}, NOTHING)
    with pytest.raises(DecodeError) as caught:
        runner.run({"kind": "fail", "error": "other"}, NOTHING)
    assert "secret" not in caught.value.detail
    assert (runner.stats()["jobs"], runner.stats()["busy"]) == (2, 0)


def test_a_closed_runner_refuses(runner: ThreadRunner) -> None:
    runner.close()
    with pytest.raises(OverloadedError):
        runner.run({"kind": "echo"}, NOTHING)
    assert runner.pids() == ()
