"""A project folder with the real launcher and pretended servers, so that starting takes no time."""

import contextlib
import importlib.machinery
import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

LAUNCHER = Path(__file__).resolve().parents[2] / "run"

MANAGE = """
import json, os, sys, time
if sys.argv[1] == "bootstrap":
    password = os.path.join(os.environ["IIIF_DATA_DIR"], "admin-password")
    with open(password, "w") as file:
        file.write("swordfish")
    os.makedirs(os.path.join(os.environ["IIIF_DATA_DIR"], "static"), exist_ok=True)
    open(os.path.join(os.environ["IIIF_DATA_DIR"], "static", ".collected"), "w").close()
    open(os.path.join(os.environ["IIIF_DATA_DIR"], "db.sqlite3"), "w").close()
    if os.environ.get("TEST_BOOTSTRAP_FAILS"):
        sys.exit("no such database")
    print(json.dumps({"admin": "admin", "admin_password_file": password}))
elif sys.argv[1] == "make_samples":
    print("Samples are ready")
else:
    print("got", *sys.argv[2:])
    print("nothing worked")
    sys.exit(3)
"""

# A web server with a process of its own that does not hear SIGTERM.
GRANIAN = """
import http.server, os, signal, subprocess, sys
if os.environ.get("TEST_WEB_FAILS"):
    sys.exit("no such application")
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", stubborn])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(os.environ.get("TEST_GALLERY", "ok").encode() if self.path == "/" else b"ok")
    def log_message(self, *arguments):
        pass
print("[INFO] a plain line, without any error: 0", flush=True)
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

CELERY = """
import os, sys, time
print("[WARNING] a line of trouble", flush=True)
if os.environ.get("TEST_CELERY_FAILS"):
    sys.exit(7)
time.sleep(600)
"""


@pytest.fixture(scope="session")
def launcher() -> ModuleType:
    """The file `run` as a module."""
    loader = importlib.machinery.SourceFileLoader("launcher", str(LAUNCHER))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["launcher"] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, launcher: ModuleType) -> Path:
    folder = tmp_path / "project"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copy(LAUNCHER, folder / "run")
    (folder / ".venv" / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    for name in ("base.txt", "dev.txt", "npm.txt"):
        (folder / "requirements" / name).write_text("")
    for name, text in (("manage.py", MANAGE), ("granian.py", GRANIAN), ("celery.py", CELERY)):
        (folder / name).write_text(text)
    (folder / "package-lock.json").write_text("{}")
    viewer = folder / launcher.VIEWER.relative_to(launcher.ROOT)
    viewer.parent.mkdir(parents=True)
    viewer.write_text("")
    digest = launcher.file_digest(folder / "requirements" / "base.txt")
    lock = launcher.file_digest(folder / "package-lock.json")
    (folder / ".venv" / "setup.json").write_text(json.dumps({"base": digest, "dev": digest}))
    (folder / "node_modules" / "setup.json").write_text(json.dumps({"lock": lock, "dev": "yes"}))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_numbers = itertools.count(1)


class Run:
    """A started launcher: what it prints, and the processes that it started."""

    def __init__(self, launcher: Path, data_dir: Path, *arguments: str, **environment: str) -> None:
        self.port = int(environment.pop("PORT", free_port()))
        self.data_dir = data_dir
        self.output = data_dir.parent / f"output-{next(_numbers)}.txt"
        variables = {
            name: value
            for name, value in os.environ.items()
            if name not in {"HOST", "SECRET_KEY", "REDIS_URL", "WEB_WORKERS", "DJANGO_SETTINGS_MODULE"}
        }
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, launcher, *arguments],
                env={**variables, "PORT": str(self.port), "IIIF_DATA_DIR": str(data_dir), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._launcher = str(launcher).encode()
        self._marker = f"IIIF_DATA_DIR={self.data_dir}".encode()

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str, seconds: float = 15) -> None:
        wait_until(lambda: words in self.text or self.process.poll() is not None, seconds)
        assert words in self.text, self.text

    def wait(self, seconds: float = 15) -> int:
        return self.process.wait(seconds)

    def tree(self) -> dict[int, str]:
        """Every process below the launcher, whatever its environment: its start time by its number."""
        stats = read_stats()
        found: dict[int, str] = {}
        parents = {self.process.pid}
        while parents:
            children = {pid for pid, (parent, _, _) in stats.items() if parent in parents}
            found |= {pid: stats[pid][2] for pid in children}
            parents = children
        return found

    def end(self) -> None:
        """Leaves nothing behind, whatever the test has done."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def descendants(self) -> set[int]:
        """Every process that has this run's data directory in its environment, but the launcher and its keeper."""
        found = set()
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self._marker not in environ.read_bytes().split(b"\0"):
                    continue
                if self._launcher not in environ.with_name("cmdline").read_bytes().split(b"\0"):
                    found.add(int(environ.parent.name))
            except OSError:
                continue
        return found


def read_stats() -> dict[int, tuple[int, str, str]]:
    """Parent, state and start time of every process of this machine."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            stats[int(path.parent.name)] = (int(fields[1]), fields[0], fields[19])
    return stats


def still_alive(tree: dict[int, str]) -> set[int]:
    """Which of the processes have not ended; a zombie has."""
    stats = read_stats()
    return {pid for pid, start in tree.items() if pid in stats and stats[pid][1] != "Z" and stats[pid][2] == start}


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*arguments: str, **environment: str) -> Run:
        runs.append(Run(project / "run", project / "var", *arguments, **environment))
        return runs[-1]

    yield start
    for run in runs:
        run.end()
