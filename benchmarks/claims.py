"""What this server must show, each with the figure that was measured and whether it is enough."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.results import (
    Metric,
    Results,
    Series,
    cpu_ms,
    extra,
    p95_ms,
    per_second,
    server_cpu_ms,
)

PEERS = ("iipimage", "iiif-processor", "large-image")


@dataclass(frozen=True, slots=True)
class Finding:
    """`met` is None where nothing was measured."""

    measured: str
    met: bool | None

    @property
    def mark(self) -> str:
        return {True: "met", False: "**not met**", None: "not measured"}[self.met]


@dataclass(frozen=True, slots=True)
class Claim:
    asked: str
    find: Callable[[Results], Finding]


NOT_MEASURED = Finding("", None)


def at_most(
    of: Metric, first: tuple[str, str, str], second: tuple[str, str, str], most: float
) -> Callable[[Results], Finding]:
    """The ratio of the first to the second is at most so much."""

    def find(results: Results) -> Finding:
        ratio = results.ratio(of, first, second)
        one, other = results.find(*first), results.find(*second)
        if ratio is None or one is None or other is None:
            return NOT_MEASURED
        return Finding(
            f"{ratio:.2f} ({_short(one.median(of))} against {_short(other.median(of))})",
            ratio <= most and one.is_whole,
        )

    return find


def at_least(
    of: Metric, first: tuple[str, str, str], second: tuple[str, str, str], least: float
) -> Callable[[Results], Finding]:
    def find(results: Results) -> Finding:
        ratio = results.ratio(of, first, second)
        one, other = results.find(*first), results.find(*second)
        if ratio is None or one is None or other is None:
            return NOT_MEASURED
        return Finding(
            f"{ratio:.2f} times ({_short(one.median(of))} against {_short(other.median(of))})",
            ratio >= least and one.is_whole,
        )

    return find


def limit(of: Metric, series: tuple[str, str, str], most: float, unit: str) -> Callable[[Results], Finding]:
    """The worst round is at most so much."""

    def find(results: Results) -> Finding:
        one = results.find(*series)
        if one is None:
            return NOT_MEASURED
        worst = max(of(measured) for measured in one.rounds)
        return Finding(f"{_short(worst)} {unit}", worst <= most and one.is_whole)

    return find


def all_of(*parts: tuple[str, Callable[[Results], Finding]]) -> Callable[[Results], Finding]:
    """Every part is met; those that were not measured are left out."""

    def find(results: Results) -> Finding:
        found = [(name, part(results)) for name, part in parts]
        known = [(name, one) for name, one in found if one.met is not None]
        if not known:
            return NOT_MEASURED
        text = "; ".join(f"{name}: {one.measured}{'' if one.met else ' ✗'}" for name, one in known)
        return Finding(text, all(one.met for _, one in known))

    return find


def ahead_of_peers(results: Results) -> Finding:
    """Throughput and p95 of the session, at every file that the peer serves right."""
    behind, compared = [], 0
    for theirs in _peer_series(results):
        ours = results.find(theirs.suite, theirs.file, "ours")
        if ours is None or not theirs.is_whole:
            continue
        faster = results.ratio(per_second, _key(ours), _key(theirs)) or 0.0
        later = results.ratio(p95_ms, _key(ours), _key(theirs)) or 0.0
        compared += 1
        if faster < 1 or later > 1:
            behind.append(f"{theirs.file} ({theirs.suite}) {theirs.server}: {faster:.2f} tiles/s, {later:.2f} p95")
    if not compared:
        return NOT_MEASURED
    text = f"ahead in {compared - len(behind)} of {compared} comparisons"
    return Finding(text + ("; behind: " + "; ".join(behind) if behind else ""), not behind)


def exact(results: Results) -> Finding:
    """No region differs from the ordinary region decode."""
    found = [series for series in results.series() if series.suite == "exact" and series.rounds]
    if not found:
        return NOT_MEASURED
    differing = sum(series.rounds[-1].extra["differing"] for series in found)
    compared = sum(series.rounds[-1].extra["compared"] for series in found)
    bad = ", ".join(sorted({f"{one.file} ({one.server})" for one in found if one.rounds[-1].extra["differing"]}))
    text = f"{differing:.0f} of {compared:.0f} regions differ" + (f": {bad}" if bad else "")
    return Finding(text, not differing and all(one.is_whole for one in found))


def reads(results: Results) -> Finding:
    """Bytes by needed bytes, and rounds of reads by decodes, of RPCL with PLT."""
    one = results.find("reads", "jp2-rpcl-plt", "ours")
    if one is None:
        return NOT_MEASURED
    ratio = one.median(extra("read_by_needed"))
    read, distinct, rounds = (one.median(extra(name)) for name in ("read", "distinct", "rounds"))
    text = f"{ratio:.2f} × ({read / 1e6:.2f} MB, {distinct / 1e6:.2f} distinct); {rounds:.0f} rounds of reads"
    return Finding(text, 0 < ratio <= 2)


def _peer_series(results: Results) -> Iterable[Series]:
    return [
        one for one in results.series() if one.suite in {"session", "session w,"} and one.server in PEERS and one.rounds
    ]


def _key(series: Series) -> tuple[str, str, str]:
    return series.suite, series.file, series.server


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def seeding(results: Results) -> Finding:
    """Without the start of Python and Django, which comes once for any number of images."""
    ours, start, vips = (results.find("seed", "jpeg-4096", name) for name in ("ours", "start-up", "vips dzsave"))
    if not (ours and start and vips):
        return NOT_MEASURED

    def seconds(one: Series) -> float:
        return one.median(lambda measured: measured.seconds)

    net = seconds(ours) - seconds(start)
    text = (
        f"{net / seconds(vips):.2f} ({net:.2f} s, and {seconds(start):.2f} s to start, against {seconds(vips):.2f} s; "
        f"{ours.median(extra('tiles')):.0f} and {vips.median(extra('tiles')):.0f} tiles)"
    )
    return Finding(text, net <= 1.3 * seconds(vips))


def _cpu(file: str, server: str, most: float) -> tuple[str, Callable[[Results], Finding]]:
    return f"{file} {server}", at_most(cpu_ms, ("session", file, server), ("session", file, "plain"), most)


def _random(file: str) -> tuple[str, Callable[[Results], Finding]]:
    return file, at_most(cpu_ms, ("random", file, "ours"), ("random", file, "single"), 1.2)


def _first(file: str) -> tuple[str, Callable[[Results], Finding]]:
    return file, at_most(p95_ms, ("first", file, "ours"), ("first", file, "plain"), 1.5)


def _scaling(file: str, clients: int, least: float) -> tuple[str, Callable[[Results], Finding]]:
    return (
        f"{file}, {clients} clients to 1",
        at_least(per_second, (f"{clients} clients", file, "ours"), ("1 clients", file, "ours"), least),
    )


def _session(file: str, least: float, suite: str = "session") -> Callable[[Results], Finding]:
    return at_least(per_second, (suite, file, "ours"), (suite, file, "iipimage"), least)


JP2 = ("jp2-rpcl-plt", "jp2-rpcl", "jp2-lrcp", "jp2-tiled", "htj2k")
CLAIMS = (
    Claim("Bit-exact: zero of the random regions × levels differ from the ordinary region decode, HTJ2K too", exact),
    Claim(
        "JP2 untiled RPCL + PLT, session, cold: CPU a tile at most 1/3 of the plain region decode's, "
        "at most 1/4 with the layer policy",
        all_of(_cpu("jp2-rpcl-plt", "ours", 1 / 3), _cpu("jp2-rpcl-plt", "layers", 1 / 4)),
    ),
    Claim("The same: bytes read at most 2 × those needed, at most one round of reads a metatile", reads),
    Claim("LRCP without precincts and PLT: CPU at most 1/3", _cpu("jp2-lrcp", "ours", 1 / 3)[1]),
    Claim("Tiled lossless JP2: CPU at most 1/3", _cpu("jp2-tiled", "ours", 1 / 3)[1]),
    Claim("The session on untiled JP2: at least 4 × IIPImage's tiles/s", _session("jp2-rpcl-plt", 4)),
    Claim("Ahead of each peer everywhere, in throughput and p95", ahead_of_peers),
    Claim(
        "Pyramidal TIFF with JPEG tiles, cold, `w,h` and `w,` alike: at least 3 × Debian's IIPImage",
        all_of(("w,h", _session("tiff-jpeg", 3, "pyramid")), ("w,", _session("tiff-jpeg", 3, "pyramid w,"))),
    ),
    Claim(
        "The same: ahead of 0.16 ms CPU a tile (the wish)",
        limit(server_cpu_ms, ("pyramid", "tiff-jpeg", "ours"), 0.16, "ms"),
    ),
    Claim(
        "The same: splice in process under 0.1 ms",
        limit(extra("splice_ms"), ("splice", "tiff-jpeg", "ours"), 0.1, "ms"),
    ),
    Claim(
        "The same: pixels as libtiff decodes them",
        lambda results: _pixels_equal(results, "tiff-jpeg"),
    ),
    Claim("Deflate TIFF: ahead of IIPImage", _session("tiff-deflate", 1, "pyramid")),
    Claim(
        "Cached tiles: 3 × IIPImage's warm cache",
        at_least(per_second, ("cached", "tiff-deflate", "ours"), ("cached", "tiff-deflate", "iipimage"), 3),
    ),
    Claim(
        "The same with one web process a core",
        at_least(per_second, ("cached", "tiff-deflate", "cores"), ("cached", "tiff-deflate", "iipimage"), 3),
    ),
    Claim(
        "Cached tiles: the ratio to nginx with the same files (to be said)",
        at_least(per_second, ("cached", "tiff-deflate", "ours"), ("cached", "tiff-deflate", "nginx"), 0),
    ),
    Claim("Random tiles: never worse than 1.2 × the single-tile path in CPU", all_of(*(_random(file) for file in JP2))),
    Claim(
        "First tile of a cold metatile: p95 at most 1.5 × the plain decode of that tile",
        all_of(*(_first(file) for file in (*JP2, "tiff-deflate"))),
    ),
    Claim("Seeding a 4096 px JPEG, 8,4,2,1: within 1.3 × of `vips dzsave`", seeding),
    Claim(
        "full/max JPEG of 30000x30000: first byte in under 10 % of the time",
        all_of(
            ("TIFF", limit(extra("first_byte_part"), ("full/max", "big-tiff", "ours"), 0.1, "of the time")),
            ("JP2", limit(extra("first_byte_part"), ("full/max", "big-jp2", "ours"), 0.1, "of the time")),
        ),
    ),
    Claim(
        "The same: peak memory under 512 MiB above idle",
        all_of(
            ("TIFF", limit(extra("above_idle_rss_mib"), ("full/max, memory", "big-tiff", "ours"), 512, "MiB")),
            ("JP2", limit(extra("above_idle_rss_mib"), ("full/max, memory", "big-jp2", "ours"), 512, "MiB")),
        ),
    ),
    Claim(
        "4 clients on 2 cores: throughput scales with the cores",
        all_of(_scaling("jp2-rpcl-plt", 4, 1.6), _scaling("jp2-tiled", 4, 1.6), _scaling("tiff-deflate", 4, 1.6)),
    ),
    Claim(
        "/healthz every 10 ms during 16 decodes: never waits 100 ms",
        limit(extra("longest_ms"), ("health", "jp2-rpcl-plt", "ours"), 100, "ms"),
    ),
)


def _pixels_equal(results: Results, file: str) -> Finding:
    one = results.find("splice", file, "ours")
    if one is None:
        return NOT_MEASURED
    differing = one.median(extra("differing"))
    compared = one.median(extra("compared"))
    return Finding(f"{differing:.0f} of {compared:.0f} tiles differ", not differing and compared > 0 and one.is_whole)
