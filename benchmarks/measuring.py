"""One round: a server, what it is asked, and what that took."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks import trees
from benchmarks.environment import ROOT
from benchmarks.results import Measurement, percentile
from benchmarks.servers import HOST, Server

BROWSER_CONNECTIONS = 6
SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    path: str
    status: int
    length: int
    sent: float
    first_byte: float
    finished: float
    digest: str


def client(
    batches: Sequence[Sequence[str]], *, connections: int = BROWSER_CONNECTIONS, every_seconds: float = 0.0
) -> dict[str, Any]:
    return {"batches": [list(batch) for batch in batches], "connections": connections, "every_seconds": every_seconds}


def ask(port: int, clients: Sequence[Mapping[str, Any]], *, seconds: float = 900.0) -> list[Answer]:
    """Asks from a process of its own."""
    task = {"host": HOST, "port": port, "clients": list(clients), "seconds": seconds}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.strip().splitlines()[-1:]}")
    return [Answer(*row) for row in json.loads(done.stdout)]


def measure(
    server: Server, clients: Sequence[Mapping[str, Any]], *, memory: bool = False
) -> tuple[Measurement, list[Answer]]:
    """Asks and measures; what goes on in the background after the last answer counts too, until it is quiet."""
    before, front_before = server.usage(), trees.usage(server.front_roots())
    watch = trees.MemoryWatch(server.roots()) if memory else None
    with watch or nullcontext():
        answers = ask(server.port, clients)
    cpu = settled(server) - before.cpu_seconds
    front = trees.usage(server.front_roots()).since(front_before) if server.front_roots() else 0.0
    wanted = sum(len(batch) for one in clients for batch in one["batches"])
    extra = {}
    if watch:
        extra = {
            "peak_rss_mib": watch.peak_resident / 2**20,
            "peak_pss_mib": watch.peak_proportional / 2**20,
            "above_idle_rss_mib": (watch.peak_resident - watch.idle_resident) / 2**20,
            "above_idle_pss_mib": (watch.peak_proportional - watch.idle_proportional) / 2**20,
        }
    return summarise(answers, wanted, cpu_seconds=cpu, front_cpu_seconds=front, extra=extra), answers


def summarise(
    answers: Sequence[Answer],
    wanted: int,
    *,
    cpu_seconds: float = 0.0,
    front_cpu_seconds: float = 0.0,
    extra: Mapping[str, float] | None = None,
) -> Measurement:
    good = [one for one in answers if one.status == 200 and one.length]
    seconds = max((one.finished for one in answers), default=0.0) - min((one.sent for one in answers), default=0.0)
    return Measurement(
        requests=wanted,
        failed=wanted - len(good),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        front_cpu_seconds=front_cpu_seconds,
        byte_count=sum(one.length for one in good),
        latencies=tuple(one.finished - one.sent for one in good),
        extra={"first_byte_p95_ms": _first_byte(good), **(extra or {})},
    )


def _first_byte(answers: Sequence[Answer]) -> float:
    return percentile((one.first_byte - one.sent for one in answers), 95) * 1000


def settled(server: Server, *, pauses: int = 1) -> float:
    """The processor time once nothing is going on any more for so many times 50 ms, 5 s later at most."""
    last, quiet = server.usage().cpu_seconds, 0
    for _ in range(100):
        time.sleep(SETTLE_SECONDS)
        now = server.usage().cpu_seconds
        quiet = quiet + 1 if now - last < SETTLE_SECONDS / 5 else 0
        last = now
        if quiet == pauses:
            break
    return last
