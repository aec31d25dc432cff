"""`python -m images.samples FOLDER`: makes what is missing there; a line of JSON for each sample that is there.

A process of its own, without the server: it gives its memory back, and it draws with loaders of libvips that the server
must never use on a file from a stranger.
"""

import json
import sys
from pathlib import Path

from images.samples.catalogue import Sample, make_samples


def tell(sample: Sample, path: Path) -> None:
    facts = {"identifier": sample.identifier, "label": sample.label, "path": str(path)}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> int:
    problems = make_samples(Path(sys.argv[1]), tell)
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
