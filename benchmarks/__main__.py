"""`./run bench [NAME…]`: what is measured, with what, and where the results go."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report
from benchmarks.bench import Bench, all_servers
from benchmarks.corpus import BIG_RECIPES, CROP, RECIPES, Corpus, make_corpus
from benchmarks.environment import data_dir, work_dir
from benchmarks.results import Results
from benchmarks.suites.exact import run_exact, run_pixels
from benchmarks.suites.reads import run_reads
from benchmarks.suites.remote import run_rtt, run_sources
from benchmarks.suites.seeding import run_seed
from benchmarks.suites.splicing import run_splice
from benchmarks.suites.stalls import run_stalls
from benchmarks.suites.tiles import run_first, run_memory, run_pyramid, run_random, run_scaling, run_session
from benchmarks.suites.warm import run_cached
from benchmarks.suites.wholes import run_full, run_health, run_thumbnails

SUITES: dict[str, Callable[[Bench], None]] = {
    "pixels": run_pixels,
    "exact": run_exact,
    "splice": run_splice,
    "reads": run_reads,
    "session": run_session,
    "pyramid": run_pyramid,
    "memory": run_memory,
    "random": run_random,
    "first": run_first,
    "scaling": run_scaling,
    "cached": run_cached,
    "thumbnails": run_thumbnails,
    "full": run_full,
    "health": run_health,
    "seed": run_seed,
    "sources": run_sources,
    "rtt": run_rtt,
    "stalls": run_stalls,
}
FULL_SIZE, QUICK_SIZE, BIG_SIZE = (12000, 9000), (3000, 2250), (30000, 30000)
ROUNDS = 3


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "./run bench", description="Measures this server beside others; only ratios of one run say something."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (all; see --list)")
    parser.add_argument("--list", action="store_true", help="say what can be measured, and end")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each measurement, in turns ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="a picture of 3000x2250 instead of 12000x9000")
    parser.add_argument("--big", action="store_true", help="also files of 30000x30000 (5 GB of disk)")
    parser.add_argument("--servers", help="only these, by commas: " + ", ".join([*all_servers(), "nginx"]))
    parser.add_argument("--files", help="only these of the corpus, by commas")
    parser.add_argument(
        "--corpus", type=Path, help="folder of corpus and tools ($IIIF_BENCH_DIR, or bench in the data)"
    )
    parser.add_argument("--results", type=Path, help="folder of the results (benchmarks/results in the data)")
    return parser


def main(argv: Sequence[str]) -> int:
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.list:
        for name, suite in SUITES.items():
            say(f"{name:<12}{(suite.__doc__ or '').strip().splitlines()[0]}")
        return 0
    unknown = [name for name in arguments.names if name not in SUITES]
    if unknown:
        parser.error(f"no such measurement: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    refuse_unknown(parser, "server", arguments.servers, [*all_servers(), "nginx"])
    refuse_unknown(parser, "file", arguments.files, [recipe.name for recipe in (*RECIPES, *BIG_RECIPES)])
    if sys.platform != "linux":
        parser.error("processor time and memory are read from /proc: this needs Linux")
    if arguments.corpus:
        os.environ["IIIF_BENCH_DIR"] = str(arguments.corpus.resolve())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started this in the background
    bench = make_bench(arguments)
    started = time.monotonic()
    try:
        for name in arguments.names or SUITES:
            say(f"{name}: {(SUITES[name].__doc__ or '').strip().splitlines()[0]}")
            known = len(bench.results.series())
            SUITES[name](bench)
            if len(bench.results.series()) == known:
                say("  nothing: it measures none of the files and servers that were chosen")
    except KeyboardInterrupt:
        bench.results.notes.append("Interrupted: what follows was not measured.")
    finally:
        bench.clean_up()
        bench.results.facts["seconds"] = round(time.monotonic() - started, 1)
        folder = arguments.results or data_dir() / "benchmarks" / "results"
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
        for path in report.write(bench.results, folder, name):
            say(f"Written: {path}")
    return 0


def refuse_unknown(parser: argparse.ArgumentParser, what: str, given: str | None, known: Sequence[str]) -> None:
    unknown = [name for name in (given or "").split(",") if name and name not in known]
    if unknown:
        parser.error(f"no such {what}: {', '.join(unknown)}; there are {', '.join(dict.fromkeys(known))}")


def make_bench(arguments: argparse.Namespace) -> Bench:
    """Makes the corpus that is wanted."""
    work = work_dir()
    width, height = QUICK_SIZE if arguments.quick else FULL_SIZE
    results = Results()
    files = frozenset(arguments.files.split(",")) if arguments.files else None
    recipes = [recipe for recipe in RECIPES if files is None or recipe.name in files]
    corpus, problems = make_corpus(work, width, height, recipes, say)
    results.missing.update({f"file {name}": reason for name, reason in problems.items()})
    big = None
    if arguments.big:
        big, problems = make_corpus(work, *BIG_SIZE, BIG_RECIPES, say, copies_of=FULL_SIZE)
        results.missing.update({f"file {name}": reason for name, reason in problems.items()})
    results.facts = facts_of(corpus, arguments)
    servers = frozenset(arguments.servers.split(",")) if arguments.servers else None
    return Bench(
        corpus=corpus,
        work=work,
        results=results,
        rounds=arguments.rounds,
        say=say,
        chosen_servers=servers,
        chosen_files=files,
        is_quick=arguments.quick,
        big=big,
    )


def facts_of(corpus: Corpus, arguments: argparse.Namespace) -> dict[str, object]:
    pixels = corpus.width * corpus.height
    rows = []
    for recipe in RECIPES:
        path = corpus.find(recipe.name)
        if path:
            length = path.stat().st_size
            by_pixel = length / pixels if recipe.name != CROP else length / (3897 * 4096)
            rows.append((recipe.name, recipe.what, f"{length:,}", f"{by_pixel:.2f}"))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load_before": os.getloadavg()[0],
        "size": f"{corpus.width}x{corpus.height}",
        "rounds": arguments.rounds,
        "corpus": rows,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
