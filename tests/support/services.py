"""Private servers of other makers on free ports of loopback: started, stopped, halted and killed by tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.server import free_port

_START_SECONDS = 60
_STOP_SECONDS = 20


def needed(program: str, *folders: str) -> str:
    """The path of a program, looked for in `folders` too (glob patterns); where it is missing the test is skipped."""
    for folder in folders:
        for path in sorted(Path("/").glob(folder.lstrip("/") + "/" + program), reverse=True):
            return str(path)
    path_of = shutil.which(program, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if path_of is None:
        pytest.skip(f"{program} is not installed")
    return path_of


class Service(ABC):
    """`with Redis() as redis:` starts it; it ends with the block, and its folder with it."""

    stop_signal = signal.SIGTERM
    user: str | None = None  # another user to run as

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    def prepare(self) -> None:  # noqa: B027
        """Once, before the first start."""

    def is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        assert self.process is None, "it runs already"
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, user=self.user, group=self.user, extra_groups=[] if self.user else None,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.is_ready():
                return
            time.sleep(0.05)
        text = (self.folder / "log").read_text(errors="replace")[-3000:]
        self.kill()
        raise RuntimeError(f"{self.command()[0]} did not start:\n{text}")

    def stop(self) -> None:
        """End it as its administrator would."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        self._signal(process, signal.SIGCONT)
        self._signal(process, number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(process, signal.SIGKILL)
            process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def halt(self) -> None:
        """Stop its processes in mid-air: connections stay open and nothing is answered."""
        if self.process is not None:
            self._signal(self.process, signal.SIGSTOP)

    def go_on(self) -> None:
        if self.process is not None:
            self._signal(self.process, signal.SIGCONT)

    def _signal(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
