"""This server with sources in object storage: a stub on loopback that counts, with a latency to be chosen."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import run
from benchmarks.corpus import Corpus
from benchmarks.environment import ROOT
from benchmarks.ours import Ours
from tests.support.origin import Origin

WAYS = ("disk", "memory", "cache", "stream")
_BUCKET = "corpus"


class Remote(Ours):
    """`path` takes `WAY-FILE` for a file. What ingest read of sources is no part of a cold start."""

    def __init__(self, corpus: Corpus, work: Path, origin: Origin, files: Sequence[str]) -> None:
        super().__init__(corpus, work, "remote")
        self.origin = origin
        self.names = files

    def prepare(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        paths = {name: path for name in self.names if (path := self.corpus.find(name)) is not None}
        for name, path in paths.items():
            self.origin.put(f"{_BUCKET}/{name}", path)
        self.manage("bootstrap")
        words = [f"{name}={path}" for name, path in paths.items()]
        script = [sys.executable, "-m", "benchmarks.remote_script", self.origin.endpoint, *words]
        run(script, cwd=ROOT, environment=self.environment())
        cache = self._data / "cache"
        shutil.rmtree(cache / "sources", ignore_errors=True)
        shutil.copytree(cache, self._data / "cache-cold")

    def version(self) -> str:
        return f"{super().version()}; object storage is a stub of this project's tests"
