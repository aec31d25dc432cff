"""Prometheus: what all processes of this host have counted in memory, read when somebody asks."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from caching.conf import conf
from caching.counters import BOUNDS, parsed
from caching.totals import Timing, Totals, read_totals

T = TypeVar("T")


class ServerCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        totals = read_totals(conf.statistics_folder)
        yield from families(totals)


def build_registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector())
    return registry


def families(totals: Totals) -> Iterator[Metric]:
    yield GaugeMetricFamily("iiif_processes", "processes of this host that count", value=totals.processes)
    for name, numbers in _by_name(totals.counters).items():
        yield from _numbers(CounterMetricFamily, name, numbers)
    for name, numbers in _by_name(totals.gauges).items():
        yield from _numbers(GaugeMetricFamily, name, numbers)
    for name, timings in _by_name(totals.timings).items():
        yield from _timings(name, timings)


def _by_name(values: Mapping[str, T]) -> dict[str, list[tuple[dict[str, str], T]]]:
    found: dict[str, list[tuple[dict[str, str], T]]] = {}
    for text, value in sorted(values.items()):
        name, labels = parsed(text)
        found.setdefault(name, []).append((labels, value))
    return found


def _numbers(kind: type[Metric], name: str, numbers: list[tuple[dict[str, str], int]]) -> Iterator[Metric]:
    """A number of seconds is counted in microseconds."""
    scale = 1_000_000 if name.endswith("_seconds") else 1
    family = kind(name, name.replace("_", " "), labels=sorted(numbers[0][0]))  # type: ignore[call-arg]
    for labels, value in numbers:
        family.add_metric([labels[label] for label in sorted(labels)], value / scale)  # type: ignore[attr-defined]
    yield family


def _timings(name: str, timings: list[tuple[dict[str, str], Timing]]) -> Iterator[Metric]:
    family = HistogramMetricFamily(name, name.replace("_", " "), labels=sorted(timings[0][0]))
    for labels, timing in timings:
        buckets = list(zip(BOUNDS, map(float, accumulate(timing.counts)), strict=True))
        family.add_metric([labels[label] for label in sorted(labels)], buckets, timing.seconds)
    yield family
