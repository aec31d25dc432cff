"""The decoders of this process: a pool of decoder processes, or threads where DECODE_ISOLATION says so."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.core.signals import setting_changed

from caching.counters import get_counters
from images.decoders.errors import OverloadedError
from images.decoders.pool import DecoderPool, Runner, ThreadRunner
from images.services.counted_runner import CountedRunner

_COPIER_WAIT_SECONDS = 0.5  # then the copy stays pending until the one that is being made is done
_COPIER_SILENT_SECONDS = 240.0  # until the first row of tiles of a large JPEG 2000 source is decoded
_COPIER_JOBS = 50  # its memory is then given back

_COPIER_NAME = "iiif_copier"

_lock = threading.Lock()
_runner: list[CountedRunner] = []
_copier: list[CountedRunner] = []
_when_full: list[Callable[[], None]] = []


def get_runner() -> CountedRunner:
    """The decoders of this process, started on first use."""
    with _lock:
        if not _runner:
            _runner.append(CountedRunner(_build_runner(), get_counters()))
        return _runner[0]


def get_copier() -> CountedRunner:
    """The decoder of this process that makes service copies: one at a time, for as long as that takes."""
    with _lock:
        if not _copier:
            _copier.append(CountedRunner(_build_copier(), get_counters(), _COPIER_NAME))
        return _copier[0]


def _build_copier() -> Runner:
    size = dear_slots = queue_length = 1
    if settings.DECODE_ISOLATION == "thread":
        return ThreadRunner(size, dear_slots, queue_length, _COPIER_WAIT_SECONDS)
    return DecoderPool(
        size,
        dear_slots,
        queue_length,
        _COPIER_WAIT_SECONDS,
        wall_seconds=max(_COPIER_SILENT_SECONDS, settings.DECODE_WALL_SECONDS),
        cpu_seconds=settings.IIIF_SERVICE_COPY_SECONDS,
        stream_seconds=settings.IIIF_SERVICE_COPY_SECONDS,
        memory_bytes=settings.DECODE_MEMORY_BYTES,
        max_jobs=_COPIER_JOBS,
    )


def _build_runner() -> Runner:
    if settings.DECODE_ISOLATION == "thread":
        return ThreadRunner(
            size=settings.DECODE_PROCESSES,
            dear_slots=settings.DECODE_DEAR_PROCESSES,
            queue_length=settings.DECODE_QUEUE_LENGTH,
            queue_wait=settings.DECODE_QUEUE_SECONDS,
        )
    return DecoderPool(
        size=settings.DECODE_PROCESSES,
        dear_slots=settings.DECODE_DEAR_PROCESSES,
        queue_length=settings.DECODE_QUEUE_LENGTH,
        queue_wait=settings.DECODE_QUEUE_SECONDS,
        wall_seconds=settings.DECODE_WALL_SECONDS,
        cpu_seconds=settings.DECODE_CPU_SECONDS,
        memory_bytes=settings.DECODE_MEMORY_BYTES,
        when_full=_make_room,
    )


def call_when_full(act: Callable[[], None]) -> None:
    """Have `act` called in each thread that waits for a decoder process, again and again, while all are at work.

    It is to be quick. Not with DECODE_ISOLATION=thread, and not for service copies. The last one counts.
    """
    _when_full[:] = [act]


def _make_room() -> None:
    for act in _when_full:
        act()


def start_decoders() -> None:
    """Start the decoders in the background, so that the first request need not wait for their libraries to load."""
    pool = get_runner().runner
    if isinstance(pool, DecoderPool):
        threading.Thread(target=_start, args=(pool,), name="start-decoders", daemon=True).start()


def _start(pool: DecoderPool) -> None:
    with suppress(OverloadedError):  # closed meanwhile, or it is said again to the first request
        pool.start()


def close_runner(**_kwargs: object) -> None:
    """Stop the decoders of this process; the next use starts new ones."""
    with _lock:
        runners, _runner[:], _copier[:] = [*_runner, *_copier], [], []
    for runner in runners:
        runner.close()


def _on_setting_changed(*, setting: str, **_kwargs: object) -> None:
    if setting.startswith("DECODE_") or setting == "IIIF_SERVICE_COPY_SECONDS":
        close_runner()


def _after_fork() -> None:
    """A fork may have happened while another thread held the lock; the runner notices by itself that it was forked."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _runner[:] = [CountedRunner(counted.runner, get_counters()) for counted in _runner]
    _copier[:] = [CountedRunner(counted.runner, get_counters(), _COPIER_NAME) for counted in _copier]


os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_on_setting_changed, dispatch_uid="images.services.decoding")
