"""Tiles that were asked for before: the caches of the servers, and nginx with the same bytes as files."""

import re
import shutil
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.commands import Missing, find_program, run
from benchmarks.corpus import CROP, RECIPES, Corpus
from benchmarks.measuring import client, measure
from benchmarks.peers.nginx import nginx_version, write_configuration
from benchmarks.results import Measurement
from benchmarks.servers import HOST, Server, free_port, get
from benchmarks.traces import session, visit
from benchmarks.trees import usage

FILE = "tiff-deflate"
"""Its tiles are decoded and encoded by all, so that all warm answers come from caches. Others only where asked for."""
SECONDS = 3
WRK_SCRIPT = """
local paths = {{ {paths} }}
local place = math.random(#paths)
request = function()
  place = place % #paths + 1
  return wrk.format("GET", paths[place])
end
"""


class StaticFiles(Server):
    """nginx and files: what this machine can send at all."""

    name = "nginx"

    def __init__(self, corpus: Corpus, work: Path, file: str, tiles: dict[str, bytes]) -> None:
        super().__init__(corpus, work)
        self.files = frozenset({file})
        self._tiles = tiles

    def prepare(self) -> None:
        find_program("nginx", package="nginx-light")
        root = self.work / "files"
        shutil.rmtree(root, ignore_errors=True)
        for name, data in self._tiles.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for folder in (root, *root.parents):  # its workers run as another user
            if folder.stat().st_uid == Path(self.work).stat().st_uid:
                folder.chmod(folder.stat().st_mode | 0o011)

    def start(self, *, cold: bool = True) -> None:  # noqa: ARG002 - files are files
        self.port = free_port()
        self.launch(write_configuration(self.work, self.port, f"location / {{ root {self.work / 'files'}; }}"))
        self.wait_until_ready("/")

    def path(self, file: str, request: str) -> str:
        return f"/{file}/{request}"

    def version(self) -> str:
        return f"{nginx_version()}, the same bytes as files"


def run_cached(bench: Bench) -> None:
    """The session's tiles again, as fast as 16 connections can ask, with `wrk` where it is installed."""
    for file in cached_files(bench):
        _run(bench, file)


def cached_files(bench: Bench) -> list[str]:
    """One, or those that the user names and that have the picture's tiles."""
    if bench.chosen_files is None:
        return bench.files(FILE)
    return bench.files(*(recipe.name for recipe in RECIPES if recipe.name != CROP))


def _run(bench: Bench, file: str) -> None:
    trace = [tile.path(bench.pyramid) for batch in session(bench.pyramid, visit(bench.pyramid)) for tile in batch]
    servers = [server for server in bench.servers("ours", "cores", "iipimage", "large-image") if file in server.files]
    static = _static(bench, file, trace)
    for _, server in bench.interleaved([*servers, *([static] if static else [])]):
        requests = [server.path(file, request) for request in trace]
        with bench.running(server):
            measure(server, [client([requests])])
            again, _ = measure(server, [client([requests * 4], connections=16)])
            bench.results.add("cached, own load", file, server.name, again)
            try:
                measurement = _wrk(server, requests)
            except Missing as reason:
                bench.results.add_problem("cached", file, server.name, str(reason))
                measurement = again
            bench.results.add("cached", file, server.name, measurement)
            bench.say(
                f"  cached {file:<14} {server.name:<16}{measurement.per_second:9.0f}/s {measurement.cpu_ms:7.3f} ms"
            )


def _static(bench: Bench, file: str, trace: list[str]) -> Server | None:
    found = bench.servers("ours")
    if not found or (bench.chosen_servers is not None and "nginx" not in bench.chosen_servers):
        return None
    with bench.running(found[0]) as ours:
        tiles = {f"{file}/{request}": get(ours.port, ours.path(file, request))[1] for request in trace}
    static = StaticFiles(bench.corpus, bench.work, file, tiles)
    try:
        static.prepare()
        bench.results.servers["nginx"] = static.version()
    except Missing as reason:
        bench.results.missing["nginx"] = str(reason)
        return None
    return static


def _wrk(server: Server, requests: list[str]) -> Measurement:
    """Raises Missing where there is no wrk."""
    program = find_program("wrk", package="wrk")
    script = server.work / "wrk.lua"
    script.write_text(WRK_SCRIPT.format(paths=", ".join(f'"{path}"' for path in requests)))
    address = f"http://{HOST}:{server.port}"
    before, front_before = server.usage().cpu_seconds, _front(server)
    said = run([program, "-t", "1", "-c", "16", "-d", f"{SECONDS}s", "--latency", "-s", script, address])
    cpu, front = server.usage().cpu_seconds - before, _front(server) - front_before
    count = re.search(r"(\d+) requests in ([\d.]+)s", said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if not count:
        raise Missing("wrk said nothing")
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
    return Measurement(
        requests=int(count[1]),
        failed=int(bad[1]) if bad else 0,
        seconds=float(count[2]),
        cpu_seconds=cpu,
        front_cpu_seconds=front,
        extra={"p99_ms": float(slow[1]) * unit[slow[2]] * 1000} if slow else {},
    )


def _front(server: Server) -> float:
    return usage(server.front_roots()).cpu_seconds if server.front_roots() else 0.0
