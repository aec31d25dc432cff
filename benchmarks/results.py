"""What was measured: figures by suite, file and server, one of each round, so that rounds are compared pair by pair."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """One round of one trace.

    Attributes:
        cpu_seconds: of the server's processes; `front_cpu_seconds` of a web server before it.
        latencies: seconds of each answer, sent to whole; `first_bytes` to the first byte.
        extra: further figures, named with their unit.
    """

    requests: int
    failed: int
    seconds: float
    cpu_seconds: float = 0.0
    front_cpu_seconds: float = 0.0
    byte_count: int = 0
    latencies: tuple[float, ...] = ()
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return (self.requests - self.failed) / self.seconds if self.seconds else 0.0

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time an answer, the web server before it included."""
        return (self.cpu_seconds + self.front_cpu_seconds) * 1000 / max(1, self.requests)

    def percentile_ms(self, percent: int) -> float:
        return percentile(self.latencies, percent) * 1000


@dataclass(slots=True)
class Series:
    """The rounds of a trace at one server."""

    suite: str
    file: str
    server: str
    rounds: list[Measurement] = field(default_factory=list)
    problem: str = ""

    def median(self, of: "Metric") -> float:
        return statistics.median([of(one) for one in self.rounds]) if self.rounds else 0.0

    @property
    def is_whole(self) -> bool:
        """Whether every request of every round was answered."""
        return bool(self.rounds) and not any(one.failed for one in self.rounds)


Metric = Callable[[Measurement], float]


def per_second(one: Measurement) -> float:
    return one.per_second


def cpu_ms(one: Measurement) -> float:
    return one.cpu_ms


def server_cpu_ms(one: Measurement) -> float:
    """Without the web server before it."""
    return one.cpu_seconds * 1000 / max(1, one.requests)


def p95_ms(one: Measurement) -> float:
    return one.percentile_ms(95)


def p50_ms(one: Measurement) -> float:
    return one.percentile_ms(50)


def extra(name: str) -> Metric:
    return lambda one: one.extra.get(name, 0.0)


def percentile(values: Iterable[float], percent: int) -> float:
    """The smallest value that at least so many percent are not above; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * percent // 100) - 1))]


class Results:
    """All series of a run, and what could not be measured."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.servers: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.notes: list[str] = []
        self._series: dict[tuple[str, str, str], Series] = {}

    def series(self) -> list[Series]:
        return list(self._series.values())

    def add(self, suite: str, file: str, server: str, measurement: Measurement) -> None:
        self._get(suite, file, server).rounds.append(measurement)

    def add_problem(self, suite: str, file: str, server: str, problem: str) -> None:
        self._get(suite, file, server).problem = problem

    def find(self, suite: str, file: str, server: str) -> Series | None:
        """The series where it was measured."""
        found = self._series.get((suite, file, server))
        return found if found and found.rounds else None

    def ratio(self, of: Metric, first: tuple[str, str, str], second: tuple[str, str, str]) -> float | None:
        """The median of the ratios of both, round by round; None where one was not measured."""
        one, other = self.find(*first), self.find(*second)
        if one is None or other is None:
            return None
        pairs = [(of(a), of(b)) for a, b in zip(one.rounds, other.rounds, strict=False)]
        ratios = [a / b for a, b in pairs if b]
        return statistics.median(ratios) if ratios else None

    def to_json(self) -> dict[str, Any]:
        return {
            "facts": self.facts,
            "servers": self.servers,
            "missing": self.missing,
            "notes": self.notes,
            "series": [_row(series) for series in self._series.values()],
        }

    def _get(self, suite: str, file: str, server: str) -> Series:
        return self._series.setdefault((suite, file, server), Series(suite, file, server))


def _row(series: Series) -> dict[str, Any]:
    return {
        "suite": series.suite,
        "file": series.file,
        "server": series.server,
        "problem": series.problem,
        "medians": {
            "per_second": round(series.median(per_second), 3),
            "cpu_ms": round(series.median(cpu_ms), 4),
            "p50_ms": round(series.median(p50_ms), 3),
            "p95_ms": round(series.median(p95_ms), 3),
        },
        "rounds": [_measurement(one) for one in series.rounds],
    }


def _measurement(one: Measurement) -> dict[str, Any]:
    facts = asdict(one)
    facts.pop("latencies")
    for percent in (50, 95, 99, 100):
        facts[f"p{percent}_ms"] = round(one.percentile_ms(percent), 3)
    return facts
