"""What every suite works with: the corpus, the servers, the rounds, and where figures go."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.commands import Missing
from benchmarks.corpus import Corpus
from benchmarks.measuring import settled
from benchmarks.ours import VARIANTS, Ours
from benchmarks.peers.iiif_processor import IiifProcessor
from benchmarks.peers.iipimage import IipImage
from benchmarks.peers.kitware import LargeImage
from benchmarks.results import Results
from benchmarks.servers import Server
from benchmarks.traces import Pyramid

PEERS: dict[str, Callable[[Corpus, Path], Server]] = {
    "iipimage": IipImage,
    "iiif-processor": IiifProcessor,
    "large-image": LargeImage,
}


START_PAUSES = 5
"""Of 50 ms without work, before a server counts as started."""


@dataclass(slots=True)
class Bench:
    """A run. Servers are prepared when a suite first wants them, and each is reported missing only once."""

    corpus: Corpus
    work: Path
    results: Results
    rounds: int
    say: Callable[[str], None]
    chosen_servers: frozenset[str] | None = None
    chosen_files: frozenset[str] | None = None
    is_quick: bool = False
    big: Corpus | None = None
    _servers: dict[str, Server] = field(default_factory=dict)

    @property
    def pyramid(self) -> Pyramid:
        return Pyramid(self.corpus.width, self.corpus.height)

    def files(self, *names: str) -> list[str]:
        """Those of the names that were made and that the user did not leave out."""
        return [
            name
            for name in names
            if (self.chosen_files is None or name in self.chosen_files) and self.corpus.find(name)
        ]

    def servers(self, *names: str) -> list[Server]:
        """Those of the names that this machine can have, ready to be started."""
        found = [self._prepared(name) for name in names if self.chosen_servers is None or name in self.chosen_servers]
        return [server for server in found if server]

    def _prepared(self, name: str) -> Server | None:
        if name in self.results.missing:
            return None
        if name not in self._servers:
            make = PEERS.get(name)
            server = make(self.corpus, self.work) if make else Ours(self.corpus, self.work, name)
            self.say(f"Preparing {name} …")
            try:
                server.prepare()
            except Missing as reason:
                self.results.missing[name] = str(reason)
                self.say(f"  {name} is missing: {reason}")
                return None
            self._servers[name] = server
            self.results.servers[name] = server.version()
        return self._servers[name]

    @contextmanager
    def running(self, server: Server, *, cold: bool = True) -> Iterator[Server]:
        server.start(cold=cold)
        try:
            settled(server, pauses=START_PAUSES)  # what goes on after the first answer is part of the start
            yield server
        finally:
            server.stop()

    def interleaved(self, servers: Sequence[Server], rounds: int | None = None) -> Iterator[tuple[int, Server]]:
        """Each server once a round, in another order each time: what disturbs the machine disturbs all alike."""
        order = random.Random(1)  # noqa: S311 - no secret
        for number in range(rounds or self.rounds):
            for server in order.sample(list(servers), len(servers)):
                yield number, server

    def clean_up(self) -> None:
        for server in self._servers.values():
            server.stop()


def all_servers() -> list[str]:
    return [*VARIANTS, *PEERS]


def paths(server: Server, file: str, requests: Iterable[str]) -> list[str]:
    return [server.path(file, request) for request in requests]
