"""Several nodes of one site: web servers with disks of their own, one database, one Redis, and workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import PROJECT, ProductServer

QUEUES = "ingest,bulk,derivatives,caching"


class Worker:
    """`with Worker(server):` is a Celery worker of that node, in its own process group; `app` is the application."""

    app = "iiifserver"

    def __init__(self, server: ProductServer, concurrency: int = 1, queues: str = QUEUES, *options: str) -> None:
        self.server = server
        self.arguments = ["-Q", queues, "-c", str(concurrency), *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.server.data_dir / "worker.log").open("ab")
        command = [sys.executable, "-m", "celery", "-A", self.app, "worker", "--loglevel", "info"]
        command += ["--without-gossip", "--without-mingle", *self.arguments]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=self.server.process_environment(), stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def kill(self) -> None:
        """SIGKILL to the worker and all below it."""
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        self.kill()

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


@contextmanager
def nodes(
    folder: Path,
    count: int,
    *,
    redis: Redis | None = None,
    postgres: Postgres | None = None,
    environment: dict[str, str] | None = None,
    settings: dict[str, Any] | None = None,
) -> Iterator[list[ProductServer]]:
    """`count` web servers below `folder`; without Redis or PostgreSQL each is a site of its own.

    Where a proxy stands in front of a service, pass its address in `environment` (REDIS_URL, DATABASE_URL).
    """
    shared = {"SECRET_KEY": "only-for-tests-" + "x" * 40}
    if redis is not None:
        shared["REDIS_URL"] = redis.url
    if postgres is not None:
        shared["DATABASE_URL"] = postgres.url()
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                ProductServer(folder / f"node{number}", {**shared, **(environment or {})}, settings=settings or {})
            )
            for number in range(1, count + 1)
        ]
