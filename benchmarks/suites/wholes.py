"""Whole images: thumbnails, screens, everything at full size; first bytes, memory, and what else goes on meanwhile."""

from benchmarks.bench import Bench
from benchmarks.commands import Missing
from benchmarks.measuring import Answer, ask, client, measure, summarise
from benchmarks.ours import Ours
from benchmarks.results import Measurement, percentile
from benchmarks.servers import Server
from benchmarks.traces import THUMBNAILS, WHOLES, random_tiles

FILES = ("jp2-rpcl-plt", "jp2-lrcp", "jp2-tiled", "htj2k", "tiff-jpeg", "tiff-deflate")
SLOW_SECONDS = 60.0
HEALTH_SECONDS = 0.01
DECODES = 16


def run_thumbnails(bench: Bench) -> None:
    """`!200,200` and `!400,400` of each file, cold, one at a time."""
    for file in bench.files(*FILES):
        servers = _that_serve(bench, file, "ours", "plain", "iipimage", "iiif-processor", "large-image")
        for _, server in bench.interleaved(servers):
            server.starts_empty = True  # ingest makes these very sizes
            _whole(bench, "thumbnails", server, file, THUMBNAILS)
            server.starts_empty = False


def run_full(bench: Bench) -> None:
    """`!2000,2000` and `full/max` as JPEG; with `--big` of 30000x30000 pixels too.

    What took a server more than a minute it is not asked again for files of that kind: large-image needs 100 s for
    each `full/max`.
    """
    slow: dict[tuple[str, str, str], str] = {}
    for file in bench.files(*FILES):
        servers = _that_serve(bench, file, "ours", "plain", "iiif-processor", "large-image")
        for number, server in bench.interleaved(servers):
            for name, request in zip(("!2000,2000", "full/max"), WHOLES, strict=True):
                kind = (name, server.name, file.partition("-")[0])
                if kind not in slow:
                    seconds = _whole(bench, name, server, file, (request,), memory=number == 0)
                    if seconds > SLOW_SECONDS:
                        slow[kind] = f"not asked: of {file} it took {seconds:.0f} s"
                elif bench.results.find(name, file, server.name) is None:
                    bench.results.add_problem(name, file, server.name, slow[kind])
    if bench.big:
        _run_big(bench)


def _run_big(bench: Bench) -> None:
    if bench.big is None:
        return
    ours = Ours(bench.big, bench.work / "big")
    ours.prepare()
    for file in ("big-tiff", "big-jp2"):
        if bench.big.find(file):
            # Memory is sampled in a round of its own, so that it does not disturb the times.
            _whole(bench, "full/max", ours, file, (WHOLES[1],))
            _whole(bench, "full/max, memory", ours, file, (WHOLES[1],), memory=True)


def _that_serve(bench: Bench, file: str, *names: str) -> list[Server]:
    return [server for server in bench.servers(*names) if file in server.files]


def _whole(
    bench: Bench, suite: str, server: Server, file: str, requests: tuple[str, ...], *, memory: bool = False
) -> float:
    """Seconds that it took; 0 where it could not be had."""
    batches = [[server.path(file, request)] for request in requests]
    try:
        with bench.running(server):
            one, answers = measure(server, [client(batches, connections=1)], memory=memory)
    except Missing as reason:
        bench.results.add_problem(suite, file, server.name, str(reason))
        return 0.0
    one.extra["first_byte_part"] = _first_byte_part(answers)
    bench.results.add(suite, file, server.name, one)
    bench.say(
        f"  {suite:<18}{file:<14}{server.name:<16}{one.seconds:7.2f} s, {one.cpu_seconds:7.2f} s CPU, first byte after "
        f"{one.extra['first_byte_part'] * 100:.0f} %" + (f", {one.failed} FAILED" if one.failed else "")
    )
    return one.seconds


def _first_byte_part(answers: list[Answer]) -> float:
    """The part of the whole time after which the first byte came."""
    parts = [(one.first_byte - one.sent) / (one.finished - one.sent) for one in answers if one.finished > one.sent]
    return max(parts, default=1.0)


def run_health(bench: Bench) -> None:
    """`/healthz` every 10 ms while 16 tiles are being decoded, each of them by a connection of its own."""
    for file in bench.files("jp2-rpcl-plt"):
        for number, server in bench.interleaved(bench.servers("ours")):
            tiles = random_tiles(bench.pyramid, DECODES * 2, seed=200 + number)
            heavy = [server.path(file, tile.path(bench.pyramid)) for tile in tiles[:DECODES]]
            with bench.running(server):
                ask(server.port, [client([["/healthz"] * 20], connections=1)])
                _health_round(bench, server, file, heavy)


def _health_round(bench: Bench, server: Server, file: str, heavy: list[str]) -> None:
    probes = 40 if bench.is_quick else 200
    answers = ask(
        server.port,
        [
            client([heavy], connections=DECODES),
            client([["/healthz"] * probes], connections=4, every_seconds=HEALTH_SECONDS),
        ],
    )
    health = [one for one in answers if one.path == "/healthz"]
    busy_until = max((one.finished for one in answers if one.path != "/healthz"), default=0.0)
    # Probes that were sent when the decoding had ended say nothing.
    during = [one for one in health if one.sent <= busy_until] or health
    waits = [one.finished - one.sent for one in during]
    measurement: Measurement = summarise(during, len(during))
    measurement.extra["longest_ms"] = max(waits, default=0.0) * 1000
    measurement.extra["p99_wait_ms"] = percentile(waits, 99) * 1000
    bench.results.add("health", file, server.name, measurement)
    bench.say(f"  health            {len(during)} probes, longest {measurement.extra['longest_ms']:.1f} ms")
