"""Decoders whose work is counted and timed for all processes of the host to see."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from caching.counters import Counters, Histogram, Published
from images.decoders.runner import Chunks, Rendered, Runner
from images.decoders.source import SourceData

GAUGES = frozenset({"busy", "dear_busy", "queue_depth", "processes"})


class CountedRunner:
    """A Runner in front of another; a job takes from the wait for a decoder to the last byte."""

    def __init__(self, runner: Runner, counters: Counters, name: str = "iiif_decoders") -> None:
        self.runner = runner
        self._counters = counters
        self._published = Published(counters, name, GAUGES)
        self._seconds: dict[str, Histogram] = {}

    def run(self, job: Mapping[str, Any], source: SourceData, *, returns_early: bool = False) -> Rendered:
        started = time.perf_counter()
        try:
            rendered = self.runner.run(job, source, returns_early=returns_early)
        except BaseException:
            self.publish()
            raise
        if rendered.length is not None:
            self.note(job, started)
            return rendered
        self.publish()
        return Rendered(_TimedChunks(rendered.chunks, self, job, started), None, rendered.enough)

    def publish(self) -> None:
        """Tell what the decoders have counted themselves; done by itself with each job."""
        self._published.publish(self.runner.stats())

    def stats(self) -> dict[str, Any]:
        return self.runner.stats()

    def close(self) -> None:
        self.runner.close()
        self.publish()

    def note(self, job: Mapping[str, Any], started: float) -> None:
        """Count a job that has ended just now."""
        kind = str(job.get("kind", "other"))
        seconds = self._seconds.get(kind)
        if seconds is None:
            seconds = self._seconds[kind] = self._counters.histogram("iiif_decode_seconds", kind=kind)
        seconds.observe(time.perf_counter() - started)
        self.publish()


class _TimedChunks(Iterator[bytes]):
    def __init__(self, chunks: Chunks, runner: CountedRunner, job: Mapping[str, Any], started: float) -> None:
        self._chunks = chunks
        self._runner: CountedRunner | None = runner
        self._job = job
        self._started = started

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            self._end()
            raise

    def close(self) -> None:
        self._chunks.close()
        self._end()

    def _end(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.note(self._job, self._started)
