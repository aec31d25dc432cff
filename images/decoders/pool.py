"""Decoding in long-lived processes that have no credentials, hard limits, and lives that cost one request at most."""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from images.decoders.admission import Admission
from images.decoders.answer import Answer, Deadlines, Outcome
from images.decoders.confinement import ProcessLimits
from images.decoders.decoder import Decoder
from images.decoders.errors import DecoderDiedError, OverloadedError
from images.decoders.relay import relay
from images.decoders.runner import Rendered, Runner, is_dear, shares
from images.decoders.source import SourceData
from images.decoders.spawning import Spawner
from images.decoders.spool import Spool
from images.decoders.threads import ThreadRunner

__all__ = ["DecoderPool", "Rendered", "Runner", "ThreadRunner"]

logger = logging.getLogger(__name__)


class DecoderPool:
    """A Runner with at most `size` decoder processes, forked when needed. Thread-safe, also across a fork.

    `dear_slots`, `queue_length`, `queue_wait` (seconds): see Admission. `wall_seconds`, `stream_seconds`: see
    Deadlines. `cpu_seconds`: processor time of one job; a very large stream may take it several times, as also
    `stream_seconds` (see `runner.shares`). `memory_bytes`: address space of one decoder. A decoder is
    replaced after `max_jobs` jobs or with `max_resident_bytes` in memory. A result of up to `read_ahead_bytes` is read
    whole before `run` returns; of a longer one, up to `spool_bytes` wait for a reader who is slower than the decoder.
    `when_full` is called in a thread that waits for a decoder, again and again, while all are at work.
    """

    def __init__(
        self,
        size: int = 2,
        dear_slots: int | None = None,
        queue_length: int | None = None,
        queue_wait: float = 2.0,
        wall_seconds: float = 10.0,
        cpu_seconds: float = 15.0,
        memory_bytes: int = 2 * 1024**3,
        *,
        stream_seconds: float = 120.0,
        max_jobs: int = 5000,
        max_resident_bytes: int = 400 * 1024**2,
        read_ahead_bytes: int = 1024**2,
        spool_bytes: int = 512 * 1024**2,
        start_seconds: float = 30.0,
        when_full: Callable[[], None] = lambda: None,
        job_module: str = "images.decoders.jobs",
    ) -> None:
        self._size = size
        self._lane_limits = (
            size,
            max(1, size // 2) if dear_slots is None else dear_slots,
            4 * size if queue_length is None else queue_length,
            queue_wait,
            when_full,
        )
        self._deadlines = Deadlines(wall_seconds, stream_seconds)
        self._cpu_seconds = cpu_seconds
        self._max_jobs = max_jobs
        self._max_resident_bytes = max_resident_bytes
        self._read_ahead_bytes = read_ahead_bytes
        self._spool_bytes = spool_bytes
        self._spawner = Spawner(job_module, ProcessLimits(memory_bytes), start_seconds)
        self._reset()
        os.register_at_fork(after_in_child=_weakly(self._forget))
        atexit.register(_weakly(self.close))

    def _reset(self) -> None:
        self._admission = Admission(*self._lane_limits)
        self._lock = threading.Lock()
        self._idle: list[Decoder] = []
        self._living: set[Decoder] = set()
        self._counts: Counter[str] = Counter()
        self._busy_seconds = 0.0
        self._is_closed = False

    def start(self) -> None:
        """Start every decoder now, instead of with the first requests. Raises OverloadedError."""
        with self._lock:
            missing = self._size - len(self._living)
        for decoder in [self._spawn() for _ in range(missing)]:
            with self._lock:
                self._idle.append(decoder)

    def run(self, job: Mapping[str, Any], source: SourceData, *, returns_early: bool = False) -> Rendered:
        dear = is_dear(job)
        self._admission.enter(is_dear=dear)
        began = time.monotonic()

        def leave() -> None:
            self._admission.leave(is_dear=dear)
            with self._lock:
                self._busy_seconds += time.monotonic() - began

        self._count("jobs")
        whole_job = {"job": dict(job), **self._limits(job)}

        def again(kept: SourceData) -> Answer:
            self._count("retries")
            return self._begin(self._spawn(), whole_job, kept)

        try:
            answer, length, may_retry = self._ask_twice(
                whole_job, source, 0 if returns_early else self._read_ahead_bytes
            )
            if length is None:
                spool = Spool(self._spool_bytes)
                relayed = relay(answer, again if may_retry else None, source, leave, spool)
                return Rendered(relayed, None, None if source.parts else relayed.enough)  # parts: it may be asking
        except BaseException:
            leave()
            raise
        leave()
        return Rendered(answer, length)

    def stats(self) -> dict[str, Any]:
        """Counts since the start, but `busy`, `dear_busy`, `queue_depth` and `processes`, which are of now."""
        lanes = self._admission.stats()
        with self._lock:
            counts = self._counts.copy()
            busy_seconds, processes = self._busy_seconds, len(self._living)
        return {
            "isolation": "pool",
            "jobs": counts["jobs"],
            "failed": counts[Outcome.FAILED],
            "limited": counts[Outcome.EXHAUSTED] + counts[Outcome.STOPPED],
            "deaths": counts[Outcome.DIED],
            "kills": counts[Outcome.STOPPED] + counts[Outcome.CANCELLED],
            "retries": counts["retries"],
            "spawned": counts["spawned"],
            "recycled": counts["recycled"],
            "zygote_starts": self._spawner.starts,
            "processes": processes,
            "busy": lanes.busy,
            "dear_busy": lanes.dear_busy,
            "busy_seconds": busy_seconds,
            "queue_depth": lanes.waiting,
            "waits": lanes.waits,
            "wait_seconds": lanes.wait_seconds,
            "overloads": lanes.refused,
        }

    def pids(self) -> tuple[int, ...]:
        """The decoders that live now, busy or idle."""
        with self._lock:
            return tuple(sorted(decoder.pid for decoder in self._living))

    @property
    def zygote_pid(self) -> int | None:
        return self._spawner.pid

    def close(self) -> None:
        self._admission.close()
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            busy = self._living.difference(idle)
            self._living.clear()
        for decoder in idle:
            decoder.kill()
        for decoder in busy:
            decoder.stop()
        self._spawner.close()

    def _limits(self, job: Mapping[str, Any]) -> dict[str, float]:
        times = shares(job)
        return {
            "wall_seconds": self._deadlines.wall_seconds,
            "cpu_seconds": self._cpu_seconds * times,
            "stream_seconds": self._deadlines.stream_seconds * times,
        }

    def _ask_twice(
        self, job: Mapping[str, Any], source: SourceData, read_ahead_bytes: int
    ) -> tuple[Answer, int | None, bool]:
        """Ask a decoder, and a new one should the first die, but for a job that says "once"; whether there is still
        another attempt.

        A new one, since what ended the first (the kernel, short of memory) may be ending the idle ones just now.
        """
        decoder = self._check_out()
        try:
            return *self._ask(decoder, job, source, read_ahead_bytes), not job["job"].get("once")
        except DecoderDiedError as error:
            if job["job"].get("once"):
                raise
            logger.warning("Decoder %d: %s Trying once more.", decoder.pid, error.detail)
            self._count("retries")
        return *self._ask(self._spawn(), job, source, read_ahead_bytes), False

    def _begin(self, decoder: Decoder, job: Mapping[str, Any], source: SourceData) -> Answer:
        deadlines = Deadlines(job["wall_seconds"], job["stream_seconds"])
        answer = Answer(decoder, deadlines, self._spawner.ending_signal, self._check_in)
        try:
            answer.begin(job, source)
        except BaseException:
            answer.close()
            raise
        return answer

    def _ask(
        self, decoder: Decoder, job: Mapping[str, Any], source: SourceData, read_ahead_bytes: int
    ) -> tuple[Answer, int | None]:
        answer = self._begin(decoder, job, source)
        return answer, answer.read_ahead(read_ahead_bytes)

    def _check_out(self) -> Decoder:
        """A decoder that is ready. Raises OverloadedError when closed, or when none can be started."""
        while True:
            with self._lock:
                if self._is_closed:
                    raise OverloadedError("The server is shutting down.")
                if not self._idle:
                    break
                decoder = self._idle.pop()
            if decoder.is_ready():
                return decoder
            self._check_in(decoder, Outcome.DIED)
        return self._spawn()

    def _check_in(self, decoder: Decoder, outcome: Outcome) -> None:
        is_worn = decoder.jobs >= self._max_jobs or decoder.resident_bytes > self._max_resident_bytes
        with self._lock:
            self._counts[outcome] += 1
            if outcome.leaves_decoder_usable and not self._is_closed:
                if not is_worn and len(self._living) <= self._size:
                    self._idle.append(decoder)
                    return
                self._counts["recycled"] += 1
            self._living.discard(decoder)
        decoder.kill()

    def _spawn(self) -> Decoder:
        decoder = self._spawner.spawn()
        with self._lock:
            if not self._is_closed:
                self._living.add(decoder)
                self._counts["spawned"] += 1
                return decoder
        decoder.kill()
        raise OverloadedError("The server is shutting down.")

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _forget(self) -> None:
        """After a fork, in the child: the decoders are the parent's, and locks may be held by threads that are not."""
        for decoder in self._living:
            decoder.forget()
        self._spawner.forget()
        self._reset()


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    """Calls `method` for as long as its object lives, without making it live longer."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (living := reference()) is not None:
            living()

    return call
