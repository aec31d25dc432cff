"""Real workers, a real Redis and a real PostgreSQL: SIGKILL of the whole process group, warm shutdown, poison."""

import hashlib
import os
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.proof.pictures import WAYS, textured
from tests.support.nodes import Worker, nodes
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("IIIF_TEST_WORKER_KILLS", "4"))
GOOD = 98
QUEUES = "ingest,bulk,derivatives,caching"
SETTINGS = {"IIIF_STALLED_SECONDS": 5, "IIIF_INGEST_ATTEMPTS": 3}
REQUESTS = ("full/max/0/default.png", "0,0,256,256/128,/0/default.jpg")
SWEEP = (
    "from images.services import ingest_sweeps, registration, service_copies; from images import queue; "
    "from caching.derivatives import get_derivative_cache; "
    "ingest_sweeps.images_requeue_stalled(); queue.publish_waiting(); "
    "registration.uploads_sweep(); service_copies.service_copies_sweep(); get_derivative_cache().sweep()"
)


class Site:
    """One node; `states` asks PostgreSQL itself."""

    def __init__(self, node: ProductServer, postgres: Postgres, sources: Path) -> None:
        self.node, self.postgres, self.sources = node, postgres, sources
        self.database = node.environment["DATABASE_URL"].rpartition("/")[2]

    def ask(self, statement: str) -> list[list[str]]:
        lines = self.postgres.execute(statement, self.database).splitlines()
        return [line.split("|") for line in lines if line]

    def unfinished(self) -> int:
        return int(self.ask("SELECT count(*) FROM images_image WHERE state NOT IN ('ready', 'failed')")[0][0])

    def write(self, count: int) -> None:
        ways = list(WAYS.items())
        for number in range(count):
            kind, encode = ways[number % len(ways)]
            (self.sources / f"good{number:03}.{kind}").write_bytes(encode(textured(number, 320, 240)))

    def answers(self) -> dict[tuple[str, str], str]:
        found = {}
        for (identifier,) in self.ask("SELECT identifier FROM images_image WHERE state = 'ready' ORDER BY identifier"):
            for request in REQUESTS:
                answer = self.node.get(f"/iiif/3/{identifier}/{request}")
                assert answer.status == 200, (identifier, request, answer.status, answer.body[:200])
                found[identifier, request] = hashlib.sha256(answer.body).hexdigest()
        return found

    def left(self) -> list[str]:
        """Files that are no entry of anything once a day has passed and beat has come by."""
        past = time.time() - 2 * 86_400
        for path in self.node.data_dir.rglob("*"):
            if path.is_file():
                os.utime(path, (past, past))
        self.node.manage("shell", "-c", SWEEP)
        folders = {"temporary", "making"}
        return [
            str(path)
            for path in self.node.data_dir.rglob("*")
            if path.is_file() and (path.suffix in {".part", ".partial", ".tmp"} or folders & {*path.parts})
        ]


@pytest.fixture
def site(tmp_path: Path, private_postgres: Postgres, redis_server: Redis) -> Iterator[Site]:
    sources = tmp_path / "sources"
    sources.mkdir()
    with nodes(tmp_path, 1, redis=redis_server, postgres=private_postgres, settings=SETTINGS) as (node,):
        yield Site(node, private_postgres, sources)


def worker(site: Site, app: str = "iiifserver") -> Worker:
    made = Worker(site.node, 2, QUEUES, "--pool", "threads")
    made.app = app
    return made


def test_killed_workers_leave_every_image_ready_or_failed(site: Site) -> None:
    site.write(24)
    site.node.manage("ingest", str(site.sources))
    rng = random.Random(20261126)
    kills = 0
    while kills < KILLS:
        running = worker(site)
        running.start()
        before = _done(site)
        assert wait_until(partial(_has_begun, site, before), 60)
        time.sleep(rng.uniform(0.0, 0.5))
        running.kill()
        kills += 1
        if site.unfinished() == 0:
            site.node.manage("ingest", str(site.sources))
        site.node.manage("shell", "-c", SWEEP)
    with worker(site):
        assert wait_until(lambda: _swept(site) == 0, 120), site.ask("SELECT identifier, state FROM images_image")
    states = site.ask("SELECT state, error_code <> '', count(*) FROM images_image GROUP BY 1, 2")
    assert all(state == "ready" or has_reason == "t" for state, has_reason, _count in states), states
    first = site.answers()
    assert first
    site.node.manage("purge_cache", "--all")
    assert site.answers() == first
    assert site.left() == []


def _done(site: Site) -> int:
    return int(site.ask("SELECT coalesce(sum(version), 0) FROM images_image")[0][0])


def _has_begun(site: Site, before: int) -> bool:
    return _done(site) > before or site.unfinished() == 0


def _swept(site: Site) -> int:
    site.node.manage("shell", "-c", SWEEP)
    return site.unfinished()


def test_a_warm_shutdown_leaves_nothing_behind(site: Site) -> None:
    site.write(24)
    site.node.manage("ingest", str(site.sources))
    with worker(site) as running:
        assert wait_until(lambda: _done(site) > 2, 60)
        assert running.process is not None
        running.process.terminate()
        assert running.process.wait(60) == 0
    states = dict(site.ask("SELECT state, count(*) FROM images_image GROUP BY 1"))
    assert "processing" not in states, states
    assert site.left() == []


def test_two_poisonous_images_stop_nobody_else(site: Site) -> None:
    site.write(GOOD)
    for name in ("end-worker", "end-decoder"):
        (site.sources / f"{name}.png").write_bytes(WAYS["png"](textured(7, 40, 30)))
    site.node.manage("ingest", str(site.sources))
    deaths = 0
    deadline = time.monotonic() + 240
    running = worker(site, "tests.proof.doomed")
    running.start()
    while site.unfinished() and time.monotonic() < deadline:
        assert running.process is not None
        if running.process.poll() is not None:
            deaths += 1
            running.start()
        site.node.manage("shell", "-c", SWEEP)
    running.stop()
    states = site.ask("SELECT state, count(*) FROM images_image GROUP BY 1 ORDER BY 1")
    assert states == [["failed", "2"], ["ready", str(GOOD)]]
    failed = dict(site.ask("SELECT identifier, error_code FROM images_image WHERE state = 'failed'"))
    assert failed == {"end-worker.png": "poison", "end-decoder.png": "quarantined"}
    assert deaths == 3
