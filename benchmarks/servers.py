"""A server under measurement: started, asked, measured, stopped; ours and the peers alike."""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import trees
from benchmarks.commands import Missing
from benchmarks.corpus import Corpus

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
START_SECONDS = 60.0
STOP_SECONDS = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Server(ABC):
    """Processes that answer image requests on a port of this machine.

    Attributes:
        name: as in tables.
        files: names of the corpus that it can serve; others are not asked of it.
        starts_empty: whether a cold start has not even what was made in advance, at ingest.
        width_only: whether its best way needs `w,` where OpenSeadragon writes `w,h`.
    """

    name: str
    files: frozenset[str]
    starts_empty: bool = False

    def __init__(self, corpus: Corpus, work: Path) -> None:
        self.corpus = corpus
        self.work = work / "servers" / self.name
        self.port = 0
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def prepare(self) -> None:
        """Installs and registers what is needed, once. Raises Missing where it cannot be had."""

    @abstractmethod
    def start(self, *, cold: bool = True) -> None:
        """Starts it; with `cold`, nothing that was made of an image is kept from before."""

    @abstractmethod
    def path(self, file: str, request: str) -> str:
        """The path of a URL for `region/size/rotation/quality.format` of a file of the corpus."""

    @abstractmethod
    def version(self) -> str:
        """What is measured, and how it is configured, in a line."""

    def roots(self) -> list[int]:
        """Processes whose trees do the work of the image server itself."""
        return [process.pid for process in self._processes]

    def front_roots(self) -> list[int]:
        """Processes of a web server before it, counted apart."""
        return []

    def usage(self) -> trees.Usage:
        return trees.usage(self.roots())

    def stop(self) -> None:
        for process in reversed(self._processes):
            stop_process(process)
        self._processes.clear()

    def launch(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        self.work.mkdir(parents=True, exist_ok=True)
        with (self.work / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in argv],
                cwd=cwd or self.work,
                env={**os.environ, **(environment or {})},
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - no other thread runs meanwhile
            )
        self._processes.append(process)
        return process

    def wait_until_ready(self, path: str) -> None:
        """Raises Missing where it does not answer."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                if get(self.port, path)[0] < 500:
                    return
            if any(process.poll() is not None for process in self._processes):
                break
            time.sleep(0.05)
        self.stop()
        raise Missing(f"{self.name} does not start; see {self.work / 'log'}")


def end_with_parent() -> None:
    """In a child, before it becomes the program: it gets SIGTERM when the benchmark was killed (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def get(port: int, path: str, timeout_seconds: float = 120) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, then ends what is left of the processes that it started."""
    tree = trees.tree_pids([process.pid])
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for pid in tree:
        with suppress(ProcessLookupError, PermissionError):
            if pid != process.pid and trees.tree_pids([pid]):
                os.kill(pid, signal.SIGTERM)
    if process.poll() is None:
        process.kill()
        process.wait()
