"""Starts the zygote, asks it for decoders, and starts it anew when it is gone."""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from images.decoders.confinement import ProcessLimits
from images.decoders.decoder import Decoder, after
from images.decoders.errors import DecoderUnavailableError
from images.decoders.wire import FrameError, FrameReader, Kind, encode_json, frame, send

logger = logging.getLogger(__name__)

_PROJECT = Path(__file__).resolve().parents[2]
_ANSWER_SECONDS = 5.0
_KEPT_BYTES = 64 * 2**20
"""Of memory that was freed, that a decoder at work keeps at most (glibc): what half a screen in three colours takes."""

_END_SECONDS = 2.0
_ATTEMPTS = 2
_RETRY_AFTER_SECONDS = 5


class Spawner:
    """One zygote of this process, started when it is first needed. Thread-safe."""

    def __init__(self, job_module: str, limits: ProcessLimits, start_seconds: float) -> None:
        self._job_module = job_module
        self._limits = limits
        self._start_seconds = start_seconds
        self._is_closed = False
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._reader: FrameReader | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def spawn(self) -> Decoder:
        """A new decoder. Raises DecoderUnavailableError when none can be had."""
        with self._lock:
            for _ in range(0 if self._is_closed else _ATTEMPTS):
                try:
                    if self._process is None:
                        self._start()
                    return self._fork()
                except (OSError, EOFError, FrameError, KeyError, ValueError) as error:
                    logger.warning("The zygote of the decoders does not answer: %r", error)
                    self._end()
        raise DecoderUnavailableError("No decoder process could be started.", retry_after=_RETRY_AFTER_SECONDS)

    def ending_signal(self, pid: int) -> int | None:
        """The signal that ended the decoder `pid`; None when it was none, or when nobody knows."""
        with self._lock, contextlib.suppress(OSError, EOFError, FrameError):
            status = self._ask({"do": "status", "pid": pid}).get("status")
            if isinstance(status, int) and os.WIFSIGNALED(status):
                return os.WTERMSIG(status)
        return None

    def close(self) -> None:
        """End the zygote, and with it every decoder."""
        with self._lock:
            self._is_closed = True
            self._end()

    def forget(self) -> None:
        """In a process forked from the owner: drop what belongs to the owner, and begin anew."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            # It is no child of this process, so there is nothing to wait for.
            self._process.returncode = 0
        self._reset()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        self._reader = FrameReader(self._control)
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-s", "-P", "-B", "-m", "images.decoders.zygote"),
                    *(str(theirs.fileno()), self._job_module, json.dumps(asdict(self._limits))),
                ],
                cwd=_PROJECT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self.starts += 1
        self._reader.read(Kind.CONTROL, deadline=after(self._start_seconds))

    def _fork(self) -> Decoder:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                pid = int(self._ask({"do": "fork"}, theirs.fileno())["pid"])
            return Decoder(pid, ours)
        except BaseException:
            ours.close()
            raise

    def _ask(self, request: Mapping[str, Any], *fds: int) -> dict[str, Any]:
        if self._control is None or self._reader is None:
            raise EOFError("There is no zygote.")
        deadline = after(_ANSWER_SECONDS)
        send(self._control, frame(Kind.CONTROL, encode_json(request)), fds=fds, deadline=deadline)
        return self._reader.read(Kind.CONTROL, deadline=deadline).json()

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = self._reader = None
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment() -> dict[str, str]:
    """All that the decoders see of the server's environment: none of its secrets is here."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_PROJECT),
        "VIPS_CONCURRENCY": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        # The pixels of a tile are given back and wanted again with each job: new pages cost a sixth of a tile's time.
        "MALLOC_MMAP_THRESHOLD_": str(_KEPT_BYTES // 2),
        "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES),
    }
