"""The product as a process: a real web server with a data directory of its own, for tests from outside."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 60
_SETTINGS = "tests.support.settings"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


@dataclass
class ProductServer:
    """`with ProductServer(folder) as server:` bootstraps, starts granian and stops it."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  # overrides, as JSON has them
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def process_environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if k not in {"DJANGO_SETTINGS_MODULE", "DECODE_ISOLATION"}}
        return {
            **inherited,
            "IIIF_DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "iiifserver.settings.development",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(
                {"DJANGO_SETTINGS_MODULE": _SETTINGS, "IIIF_TEST_SETTINGS": json.dumps(self.settings)}
                if self.settings
                else {}
            ),
            **self.environment,
        }

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.process_environment(),
            check=check,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def popen(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command that is talked to by standard input and output; the caller ends it."""
        with (self.data_dir / "command.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=PROJECT, env=self.process_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True,
            )  # fmt: skip

    def ingest(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.manage("ingest", "--wait", *arguments, check=check)

    def __enter__(self) -> "ProductServer":
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.manage("bootstrap")
        self.start()
        return self

    def start(self) -> None:
        log = (self.data_dir / "web.log").open("ab")
        command = [
            str(Path(sys.executable).parent / "granian"),
            "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", "1", "--blocking-threads", "32", "--no-ws", "--respawn-failed-workers",
            "iiifserver.wsgi:application",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=self.process_environment(), stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.get("/healthz").status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the server did not start:\n" + (self.data_dir / "web.log").read_text()[-3000:])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def get(self, path: str, method: str = "GET", timeout: float = 60, **headers: str) -> Answer:
        """Fetch without following redirects; header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, method=method, headers=named)
        try:
            with _opener.open(request, timeout=timeout) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def wait_until(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Whether the condition came true within this time; errors of a server that is away count as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False
