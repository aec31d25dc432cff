"""A PostgreSQL of the test's own: fast, not durable, and run by a user who is not root."""

import itertools
import os
import shutil
import signal
import subprocess

from tests.support.services import Service, needed

_SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB",
    "max_connections": "200", "unix_socket_directories": "", "listen_addresses": "127.0.0.1", "autovacuum": "off",
}  # fmt: skip


class Postgres(Service):
    """`url()` is a database of its own for each caller."""

    stop_signal = signal.SIGINT  # a fast shutdown: sessions are ended

    def __init__(self) -> None:
        self.programs = needed("postgres", "/usr/lib/postgresql/*/bin").rpartition("/")[0]
        self._numbers = itertools.count(1)
        super().__init__()
        if os.geteuid() == 0:
            self.user = "postgres"
            shutil.chown(self.folder, "postgres", "postgres")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def command(self) -> list[str]:
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return [f"{self.programs}/postgres", "-D", self.data, "-p", str(self.port), *options]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}

    def prepare(self) -> None:
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def is_ready(self) -> bool:
        try:
            self.execute("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; returns what it printed, unaligned."""
        return self._run(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database,
            "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement,
        )  # fmt: skip

    def url(self, name: str = "") -> str:
        """Make an empty database and return its address for DATABASE_URL."""
        name = name or f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def read_only(self, *, yes: bool) -> None:
        """Let all new transactions fail that write, as on a standby; sessions in being are ended."""
        self.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if yes else 'off'}")
        self.execute("SELECT pg_reload_conf()")
        self.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [f"{self.programs}/{program}", *arguments], cwd=self.folder, env=self.environment(), check=True,
            capture_output=True, text=True, timeout=120, user=self.user, group=self.user,
            extra_groups=[] if self.user else None,
        )  # fmt: skip
        return done.stdout.strip()
