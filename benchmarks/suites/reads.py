"""Bytes: what the plans of a session read of a source, against what its tiles need; by planning, nothing is decoded."""

import json
import sys

from benchmarks.bench import Bench
from benchmarks.commands import Missing, run
from benchmarks.environment import ROOT
from benchmarks.ours import Ours
from benchmarks.results import Measurement
from benchmarks.traces import session, visit


def run_reads(bench: Bench) -> None:
    """Bytes that a session's plans read, by the bytes of the packets that they need, and rounds of reads."""
    requests = [tile.path(bench.pyramid) for batch in session(bench.pyramid, visit(bench.pyramid)) for tile in batch]
    for file in bench.files("jp2-rpcl-plt", "jp2-rpcl", "jp2-lrcp", "jp2-tiled", "htj2k"):
        for server in bench.servers("ours", "single"):
            if isinstance(server, Ours):
                _plan(bench, server, file, requests)


def _plan(bench: Bench, server: Ours, file: str, requests: list[str]) -> None:
    argv = [sys.executable, "-m", "benchmarks.planned_script", file, *requests]
    try:
        facts = json.loads(run(argv, cwd=ROOT, environment=server.environment()).splitlines()[-1])
    except Missing as reason:
        bench.results.add_problem("reads", file, server.name, str(reason))
        return
    extra = {name: float(value) for name, value in facts.items()}
    extra["read_by_needed"] = extra["read"] / extra["needed"] if extra["needed"] else 0.0
    bench.results.add("reads", file, server.name, Measurement(len(requests), 0, 0.0, extra=extra))
    read, needed, distinct = (extra[name] / 1e6 for name in ("read", "needed", "distinct"))
    bench.say(
        f"  reads             {file:<14}{server.name:<16}{read:8.2f} MB read, {needed:.2f} MB of them needed, "
        f"{distinct:.2f} MB distinct, {extra['rounds']:.0f} rounds of reads"
    )
