"""Run with a server's settings and data: `python -m benchmarks.splice_script IDENTIFIER PATH…`.

Prints JSON: which of the paths are stored tiles, and the milliseconds that reading and splicing one takes in process,
the median of all of them and 20 repeats.
"""

import json
import statistics
import sys
import time

import django

django.setup()

from images.services.planning import find_pass_through  # noqa: E402
from images.services.requests import resolve_request  # noqa: E402
from images.services.splicing import image_splice  # noqa: E402

REPEATS = 20


def main(identifier: str, paths: list[str]) -> None:
    known = []
    for path in paths:
        region, size, rotation, rest = path.split("/")
        known.append(resolve_request(identifier, region, size, rotation, rest))
    stored, taken = set(), []
    for _ in range(REPEATS):
        for path, one in zip(paths, known, strict=True):
            started = time.perf_counter()
            found = find_pass_through(one.served, one.resolved)
            answer = image_splice(one.served, found) if found else None
            if answer is None:  # it is decoded instead, as tiles at edges may be
                continue
            b"".join(answer.chunks)
            taken.append((time.perf_counter() - started) * 1000)
            stored.add(path)
    facts = {"splice_ms": statistics.median(taken) if taken else 0.0, "stored": sorted(stored)}
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
