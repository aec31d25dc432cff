"""Sources that are far away: the same session by each way of retrieval, and against the round-trip time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.commands import Missing
from benchmarks.measuring import client, measure
from benchmarks.remote import WAYS, Remote
from benchmarks.results import Measurement
from benchmarks.traces import random_tiles, session, visit
from tests.support.origin import Origin

FILES = ("jp2-rpcl-plt", "tiff-jpeg")
ROUND_TRIP_MS = (0, 30, 100)
USUAL_MS = 30
_SEED = 4
_COLD_TILES = 5


def run_sources(bench: Bench) -> None:
    """An OpenSeadragon session, cold, of sources on disk and in S3 30 ms away: by stream, by cache, from memory."""
    trace = session(bench.pyramid, visit(bench.pyramid))
    requests = [[tile.path(bench.pyramid) for tile in batch] for batch in trace]
    with _prepared(bench) as server:
        for _ in range(bench.rounds):
            for file in server.names:
                for way in WAYS:
                    _measured(bench, server, "sources", file, way, way, USUAL_MS, requests, memory=True)


def run_rtt(bench: Bench) -> None:
    """The session and a tile alone, cold, by stream, at round-trip times of 0, 30 and 100 ms; rounds are counted.

    Without a latency requests seldom meet, so that each counts as a round.
    """
    trace = session(bench.pyramid, visit(bench.pyramid))
    requests = [[tile.path(bench.pyramid) for tile in batch] for batch in trace]
    lone = [tile.path(bench.pyramid) for tile in random_tiles(bench.pyramid, _COLD_TILES, seed=_SEED)]
    with _prepared(bench) as server:
        for _ in range(bench.rounds):
            for file in server.names:
                for milliseconds in ROUND_TRIP_MS:
                    label = f"{milliseconds} ms"
                    _measured(bench, server, "rtt", file, "stream", label, milliseconds, requests)
                    alone = [[path] for path in lone]
                    _measured(bench, server, "rtt tile", file, "stream", label, milliseconds, alone)


@contextmanager
def _prepared(bench: Bench) -> Iterator[Remote]:
    with Origin() as origin:
        server = Remote(bench.corpus, bench.work, origin, bench.files(*FILES))
        bench.say("Preparing sources in object storage …")
        server.prepare()
        bench.results.servers["remote"] = server.version()
        yield server


def _measured(
    bench: Bench,
    server: Remote,
    suite: str,
    file: str,
    way: str,
    label: str,
    milliseconds: int,
    requests: Sequence[Sequence[str]],
    *,
    memory: bool = False,
) -> None:
    """One cold round; what the origin saw is among the figures."""
    batches = [[server.path(f"{way}-{file}", request) for request in batch] for batch in requests]
    origin = server.origin
    try:
        with bench.running(server):
            origin.conditions.rtt = milliseconds / 1000
            origin.log.clear()
            measured, _ = measure(server, [client([*batches])], memory=memory)
            measured = replace(measured, extra={**measured.extra, **_seen(origin)})
    except (Missing, RuntimeError) as reason:
        bench.results.add_problem(suite, file, label, str(reason))
        bench.say(f"  {suite:<18}{file:<14}{label:<16}{reason}")
        return
    finally:
        origin.conditions.rtt = 0.0
    bench.results.add(suite, file, label, measured)
    _tell(bench, suite, file, label, measured)


def _seen(origin: Origin) -> dict[str, float]:
    log = origin.log
    return {
        "origin_requests": float(log.count()),
        "origin_heads": float(log.count(method="HEAD")),
        "origin_mb": log.sent() / 1e6,
        "origin_rounds": float(log.rounds()),
    }


def _tell(bench: Bench, suite: str, file: str, label: str, one: Measurement) -> None:
    seen = one.extra
    bench.say(
        f"  {suite:<18}{file:<14}{label:<10}{one.requests:5} tiles {one.seconds:6.2f} s, {one.percentile_ms(50):6.1f}"
        f" ms {seen['origin_requests']:5.0f} requests {seen['origin_mb']:8.2f} MB {seen['origin_rounds']:5.0f} rounds"
        + (f"  {one.failed} FAILED" * bool(one.failed))
    )
