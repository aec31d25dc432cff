"""The decoders of this process: a pool of decoder processes, or threads where DECODE_ISOLATION says so."""

import os
import threading

from django.conf import settings
from django.core.signals import setting_changed

from images.decoders.pool import DecoderPool, Runner, ThreadRunner

_lock = threading.Lock()
_runner: list[Runner] = []


def get_runner() -> Runner:
    """The decoders of this process, started on first use."""
    with _lock:
        if not _runner:
            _runner.append(_build_runner())
        return _runner[0]


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
    )


def start_decoders() -> None:
    """Start the decoders in the background, so that the first request need not wait for their libraries to load."""
    runner = get_runner()
    if isinstance(runner, DecoderPool):
        threading.Thread(target=runner.start, name="start-decoders", daemon=True).start()


def close_runner(**_kwargs: object) -> None:
    """Stop the decoders of this process; the next use starts new ones."""
    with _lock:
        runners, _runner[:] = list(_runner), []
    for runner in runners:
        runner.close()


def _on_setting_changed(*, setting: str, **_kwargs: object) -> None:
    if setting.startswith("DECODE_"):
        close_runner()


def _after_fork() -> None:
    """A fork may have happened while another thread held the lock; the runner notices by itself that it was forked."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
setting_changed.connect(_on_setting_changed, dispatch_uid="images.services.decoding")
