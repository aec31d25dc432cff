"""Decoding in the thread that asks: for tests and for sources that are trusted.

Nothing limits time or memory here, and a crash of a library takes the server along.
"""

import importlib
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from images.decoders.admission import Admission
from images.decoders.failures import translate
from images.decoders.runner import Rendered, is_dear
from images.decoders.source import SourceData


class WholeResult(Iterator[bytes]):
    """A result that is complete."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._pieces = iter(())


class ThreadRunner:
    """A Runner whose results are complete before `run` returns; the queue and the lanes are those of the pool."""

    def __init__(
        self,
        size: int = 4,
        dear_slots: int | None = None,
        queue_length: int | None = None,
        queue_wait: float = 2.0,
        *,
        job_module: str = "images.decoders.jobs",
    ) -> None:
        self._admission = Admission(
            size,
            max(1, size // 2) if dear_slots is None else dear_slots,
            4 * size if queue_length is None else queue_length,
            queue_wait,
        )
        self._module = importlib.import_module(job_module)
        self._lock = threading.Lock()
        self._jobs = 0
        self._busy_seconds = 0.0

    def run(self, job: Mapping[str, Any], source: SourceData, *, returns_early: bool = False) -> Rendered:  # noqa: ARG002
        dear = is_dear(job)
        self._admission.enter(is_dear=dear)
        began = time.monotonic()
        pieces: list[bytes] = []
        try:
            self._module.perform(job, source, pieces.append)
        except Exception as error:
            failure = translate(error)
            if failure is error:
                raise
            raise failure from error
        finally:
            self._admission.leave(is_dear=dear)
            with self._lock:
                self._jobs += 1
                self._busy_seconds += time.monotonic() - began
        return Rendered(WholeResult(pieces), sum(map(len, pieces)))

    def stats(self) -> dict[str, Any]:
        lanes = self._admission.stats()
        return {
            "isolation": "thread",
            "jobs": self._jobs,
            "busy_seconds": self._busy_seconds,
            "busy": lanes.busy,
            "dear_busy": lanes.dear_busy,
            "queue_depth": lanes.waiting,
            "waits": lanes.waits,
            "wait_seconds": lanes.wait_seconds,
            "overloads": lanes.refused,
        }

    def pids(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        self._admission.close()
