"""Counting, at a price that the fastest answers can bear: an addition in memory that all processes of a host share.

A name is a word with labels, as Prometheus has them. Cells are asked for once, where something is set up, and added to
for every request: one lock of this process, no system call.
"""

import logging
import os
import secrets
import threading
from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from caching.conf import conf
from caching.counter_file import CounterFile, Kind

logger = logging.getLogger(__name__)

SUFFIX = ".counters"

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of a histogram: from an answer out of memory to the longest that a decoder may take."""

BOUNDS = (*map(str, SECONDS), "+Inf")
"""The same as labels; the last bucket takes what is longer."""


def spelled(name: str, labels: Mapping[str, str]) -> str:
    """Name and labels as one text, fields separated by tabs."""
    fields = (f"{label}={value}".replace("\t", " ") for label, value in sorted(labels.items()))
    return "\t".join((name, *fields))


def parsed(text: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a text by `spelled`."""
    name, *fields = text.split("\t")
    return name, dict(field.split("=", 1) for field in fields if "=" in field)


class Cell:
    """One number. Thread-safe."""

    __slots__ = ("_counters", "index")

    def __init__(self, counters: "Counters", index: int) -> None:
        self._counters = counters
        self.index = index

    def add(self, amount: int = 1) -> None:
        with self._counters.lock:
            self._counters.words[self.index] += amount

    def set(self, value: int) -> None:
        self._counters.words[self.index] = value

    @property
    def value(self) -> int:
        return int(self._counters.words[self.index])


class Histogram:
    """How long something took: how often up to each of SECONDS, and microseconds in all. Thread-safe."""

    __slots__ = ("_counters", "buckets", "microseconds")

    def __init__(self, counters: "Counters", buckets: tuple[int, ...], microseconds: int) -> None:
        self._counters = counters
        self.buckets = buckets
        self.microseconds = microseconds

    def observe(self, seconds: float) -> None:
        bucket, words = self.buckets[bisect_left(SECONDS, seconds)], self._counters.words
        with self._counters.lock:
            words[bucket] += 1
            words[self.microseconds] += int(seconds * 1_000_000)


class Counters:
    """The cells of this process, in a file of `folder`; in its own memory without one, or where none can be made.

    `words` and `lock` are for those who add to several cells at once: one lock is half of what an addition costs.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.lock = threading.Lock()
        self._registering = threading.Lock()
        self._places: dict[str, int] = {}
        self._path = None if folder is None else folder / f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
        self._file = _open_file(self._path)
        self.words = self._file.words

    def counter(self, name: str, **labels: str) -> Cell:
        """The cell of that name; the same number each time. Names end as Prometheus wants them, without `_total`."""
        return Cell(self, self._place(spelled(name, labels), Kind.COUNTER))

    def gauge(self, name: str, **labels: str) -> Cell:
        """The same for a number that goes up and down, added up over the processes that live."""
        return Cell(self, self._place(spelled(name, labels), Kind.GAUGE))

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Of seconds."""
        buckets = [self._place(spelled(name, {**labels, "le": bound}), Kind.BUCKET) for bound in BOUNDS]
        return Histogram(self, tuple(buckets), self._place(spelled(name, labels), Kind.MICROSECONDS))

    def beside(self, suffix: str) -> Path | None:
        """The path of another file of this process; None where it counts for itself alone."""
        return self._path.with_suffix(suffix) if self._path is not None and self._file.is_shared else None

    def let_go(self) -> None:
        """Stop to stand for the parent, in its child."""
        self._file.let_go()

    def _place(self, text: str, kind: Kind) -> int:
        with self._registering:
            if text not in self._places:
                self._places[text] = self._file.add_record(text, kind)
            return self._places[text]


class Tally:
    """Counts under `prefix`_name, and what they have grown by since this was made. Thread-safe."""

    def __init__(self, counters: Counters | None, prefix: str, names: Iterable[str], **labels: str) -> None:
        self.counters = counters or Counters()
        self.cells = {name: self.counters.counter(f"{prefix}_{name}", **labels) for name in names}
        self._before = {name: cell.value for name, cell in self.cells.items()}

    def count(self, name: str, amount: int = 1) -> None:
        if amount:
            self.cells[name].add(amount)

    def snapshot(self) -> dict[str, int]:
        return {name: cell.value - self._before[name] for name, cell in self.cells.items()}


class Published:
    """Takes over the counts that somebody keeps for himself; of several of them in turn, the sums. Thread-safe.

    `gauges` are the names of those that go up and down. Seconds are held as microseconds, under the same names.
    """

    def __init__(self, counters: Counters, prefix: str, gauges: Container[str] = ()) -> None:
        self._counters = counters
        self._prefix = prefix
        self._gauges = gauges
        self._lock = threading.Lock()
        self._given: dict[str, int | float] = {}
        self._last: dict[str, int] = {}
        self._cells: dict[str, Cell] = {}

    def publish(self, stats: Mapping[str, object]) -> None:
        with self._lock:
            for name, value in stats.items():
                if self._given.get(name) == value:
                    continue
                if isinstance(value, int | float):
                    self._given[name] = value
                    number = int(value * 1_000_000) if name.endswith("_seconds") else int(value)
                    self._take(name, number)

    def _take(self, name: str, value: int) -> None:
        cell = self._cells.get(name)
        if cell is None:
            make = self._counters.gauge if name in self._gauges else self._counters.counter
            cell = self._cells[name] = make(f"{self._prefix}_{name}")
        if name in self._gauges:
            cell.set(max(0, value))
            return
        last = self._last.get(name, 0)
        self._last[name] = value
        if value != last:
            cell.add(value - last if value > last else value)


def _open_file(path: Path | None) -> CounterFile:
    try:
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return CounterFile(path)
    except OSError as error:
        logger.warning("What this process does is counted for itself alone: %s", error)
        return CounterFile()


@lru_cache(maxsize=1)
def get_counters() -> Counters:
    """Those of this process."""
    return Counters(conf.statistics_folder)


def forget_counters() -> None:
    """Begin anew: in a child, whose parent keeps the file, and where the settings have changed."""
    if get_counters.cache_info().currsize:
        get_counters().let_go()
    get_counters.cache_clear()


os.register_at_fork(after_in_child=forget_counters)
