"""The zygote: a small process that has loaded the decoding libraries and is forked into decoders.

Started by exec with next to no environment, it knows no settings, no secrets and no database, and so neither do its
children. It never decodes: libvips starts threads with the first image, and a process with threads must not be forked.

Run as `python -m images.decoders.zygote CONTROL_FD JOB_MODULE LIMITS_JSON`. It answers CONTROL frames, one at a time:
{"do": "fork"} with the socket for the new decoder beside it → {"pid": …}; {"do": "status", "pid": …} → {"status": as
of `os.wait`, or null}.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from images.decoders.confinement import ProcessLimits
from images.decoders.wire import Frame, FrameReader, Kind, close_fds, encode_json, frame, send
from images.decoders.worker import Perform, serve

_POLL_SECONDS = 1.0
_STATUS_SECONDS = 2.0
_ENDED_KEPT = 256


class Zygote:
    def __init__(self, control: socket.socket, limits: ProcessLimits, perform: Perform) -> None:
        self._control = control
        self._limits = limits
        self._perform = perform
        self._reader = FrameReader(control, takes_files=True)
        self._parent = os.getppid()
        self._living: set[int] = set()
        self._ended: dict[int, int] = {}

    def run(self) -> None:
        """Serve until the server is gone, then take the decoders along."""
        try:
            self._reply({"pid": os.getpid()})
            while os.getppid() == self._parent:
                with contextlib.suppress(TimeoutError):
                    request = self._reader.read(Kind.CONTROL, deadline=time.monotonic() + _POLL_SECONDS)
                    self._answer(request)
                self._reap()
        except (EOFError, ConnectionError):
            pass
        finally:
            for pid in self._living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _answer(self, request: Frame) -> None:
        match request.json():
            case {"do": "fork"}:
                self._reply({"pid": self._fork(self._reader.take_fds())})
            case {"do": "status", "pid": int(pid)}:
                self._reply({"status": self._wait(pid)})

    def _reply(self, value: dict[str, Any]) -> None:
        send(self._control, frame(Kind.CONTROL, encode_json(value)))

    def _fork(self, fds: list[int]) -> int:
        pid = os.fork()
        if pid == 0:
            self._become_decoder(fds)
        close_fds(fds)
        self._living.add(pid)
        return pid

    def _become_decoder(self, fds: list[int]) -> None:
        """In the child; does not return."""
        try:
            self._control.close()
            with socket.socket(fileno=fds[0]) as channel:
                serve(channel, self._limits, self._perform)
        except BaseException:  # noqa: BLE001 - nothing may unwind into the zygote's own loop
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _wait(self, pid: int) -> int | None:
        """The status of `pid`, which is about to end; None if it is no child or does not end."""
        deadline = time.monotonic() + _STATUS_SECONDS
        self._reap()
        while pid in self._living and time.monotonic() < deadline:
            time.sleep(0.001)
            self._reap()
        return self._ended.pop(pid, None)

    def _reap(self) -> None:
        while self._living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._living.discard(pid)
            self._ended[pid] = status
            while len(self._ended) > _ENDED_KEPT:
                del self._ended[next(iter(self._ended))]


def settle_signals() -> None:
    """Undo what was inherited. Decoders end when their socket closes, not with the terminal or the service manager."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def count_threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1


def main(control_fd: str, job_module: str, limits: str) -> None:
    settle_signals()
    control = socket.socket(fileno=int(control_fd))
    module = importlib.import_module(job_module)
    if count_threads() != 1:
        raise SystemExit("A library started a thread: the zygote cannot be forked safely.")
    gc.collect()
    gc.freeze()
    Zygote(control, ProcessLimits(**json.loads(limits)), module.perform).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
