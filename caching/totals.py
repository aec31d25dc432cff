"""What all processes of a host have counted, those that have ended included.

A process that ended leaves its file behind. Whoever reads next adds it to what is past, which names the files that it
holds: so none is counted twice, wherever a reader dies.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from caching.counter_file import Kind, read_records
from caching.counters import BOUNDS, SECONDS, SUFFIX, parsed, spelled
from caching.heavy import HeavyName, merged
from caching.traffic import parse_table

_PAST = "past.json"
_LOCK = "lock"
_NAMES = 1000
"""That are remembered of those who are asked for most."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """A histogram: `counts` of each bucket alone, the last without bound; `seconds` in all."""

    counts: tuple[int, ...]
    seconds: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Seconds that this share of all took at most, estimated within a bucket; None where nothing was timed."""
        left = share * self.count
        if not self.count:
            return None
        bounds = (0.0, *SECONDS)
        for number, count in enumerate(self.counts[: len(SECONDS)]):
            if count and left <= count:
                return bounds[number] + (bounds[number + 1] - bounds[number]) * left / count
            left -= count
        return SECONDS[-1]


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers by spelled name; see `caching.counters.spelled`."""

    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, int] = field(default_factory=dict)
    timings: Mapping[str, Timing] = field(default_factory=dict)
    top: tuple[HeavyName, ...] = ()
    processes: int = 0

    def of(self, name: str) -> dict[Labels, int]:
        """The counters of that name, by their labels."""
        return {labels: value for text, value in self.counters.items() for labels in _labels(text, name)}

    def gauges_of(self, name: str) -> dict[Labels, int]:
        return {labels: value for text, value in self.gauges.items() for labels in _labels(text, name)}

    def timings_of(self, name: str) -> dict[Labels, Timing]:
        return {labels: timing for text, timing in self.timings.items() for labels in _labels(text, name)}


def _labels(text: str, name: str) -> Iterator[Labels]:
    found, labels = parsed(text)
    if found == name:
        yield tuple(sorted(labels.items()))


@dataclass(slots=True)
class _Sums:
    records: dict[tuple[Kind, str], int] = field(default_factory=dict)
    top: list[HeavyName] = field(default_factory=list)

    def add(self, other: "_Sums", *, with_gauges: bool) -> None:
        for (kind, name), value in other.records.items():
            if with_gauges or kind is not Kind.GAUGE:
                self.records[kind, name] = self.records.get((kind, name), 0) + value
        self.top = merged((self.top, other.top), _NAMES)


def read_totals(folder: Path) -> Totals:
    """All that was ever counted in the folder; nothing where it is not there. Raises OSError."""
    if not folder.is_dir():
        return Totals()
    with _locked(folder):
        past, folded = _read_past(folder)
        live = _Sums()
        ended: list[str] = []
        processes = 0
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if path.name not in folded and (read := _read_file(path)) is not None:
                sums, has_ended = read
                (past if has_ended else live).add(sums, with_gauges=not has_ended)
                ended += [path.name] if has_ended else []
                processes += not has_ended
        if ended:
            _write_past(folder, past, [*folded, *ended])
        _remove(folder, [*folded, *ended])
    live.add(past, with_gauges=False)
    return _totals(live, processes)


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        for path in (folder / name, (folder / name).with_suffix(".top")):
            path.unlink(missing_ok=True)


def _read_file(path: Path) -> tuple[_Sums, bool] | None:
    """What a process has counted, and whether it has ended; None where the file has just gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        has_ended = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            has_ended = False
        with os.fdopen(os.dup(descriptor), "rb") as file:
            records = {(kind, name): value for name, kind, value in read_records(file.read())}
        return _Sums(records, _read_table(path.with_suffix(".top"))), has_ended
    finally:
        os.close(descriptor)


def _read_table(path: Path) -> list[HeavyName]:
    try:
        return parse_table(path.read_text())
    except FileNotFoundError:
        return []


def _totals(sums: _Sums, processes: int) -> Totals:
    by_kind: dict[Kind, dict[str, int]] = {kind: {} for kind in Kind}
    for (kind, name), value in sums.records.items():
        by_kind[kind][name] = value
    timings = {
        text: Timing(_buckets(text, by_kind[Kind.BUCKET]), microseconds / 1_000_000)
        for text, microseconds in by_kind[Kind.MICROSECONDS].items()
    }
    return Totals(by_kind[Kind.COUNTER], by_kind[Kind.GAUGE], timings, tuple(sums.top), processes)


def _buckets(text: str, counts: Mapping[str, int]) -> tuple[int, ...]:
    name, labels = parsed(text)
    return tuple(counts.get(spelled(name, {**labels, "le": bound}), 0) for bound in BOUNDS)


def _read_past(folder: Path) -> tuple[_Sums, list[str]]:
    """What ended processes have counted, and which files that was read from, if they may still be there."""
    with suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        stored = json.loads((folder / _PAST).read_text())
        records = {(Kind(kind), str(name)): int(value) for kind, name, value in stored["records"]}
        files = [str(name) for name in stored["files"] if (folder / str(name)).exists()]
        return _Sums(records, parse_table(json.dumps(stored["top"]))), files
    return _Sums(), []


def _write_past(folder: Path, past: _Sums, files: list[str]) -> None:
    stored = {
        "records": [(int(kind), name, value) for (kind, name), value in past.records.items()],
        "top": [(row.name, row.requests, row.byte_size, row.missed) for row in past.top],
        "files": files,
    }
    candidate = folder / f".{_PAST}-{secrets.token_hex(8)}"
    candidate.write_text(json.dumps(stored))
    candidate.replace(folder / _PAST)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One reader at a time: what is moved meanwhile would be counted twice, or not at all."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
