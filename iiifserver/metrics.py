"""Prometheus: counters kept by the apps in memory, read when somebody asks."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from caching.derivatives import get_derivative_cache
from images.services.decoding import get_runner


class ServerCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _family("iiif_derivative_cache", get_derivative_cache().stats.snapshot())
        yield from _family("iiif_decoders", get_runner().stats())


def build_registry() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector())
    return registry


_GAUGES = frozenset({"busy", "dear_busy", "queue_depth", "processes"})


def _family(prefix: str, counts: Mapping[str, object]) -> Iterator[Metric]:
    for name, value in counts.items():
        if not isinstance(value, int | float):
            continue
        kind = GaugeMetricFamily if name in _GAUGES else CounterMetricFamily
        yield kind(f"{prefix}_{name}", f"{prefix.replace('_', ' ')}: {name.replace('_', ' ')}", value=float(value))
