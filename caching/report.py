"""All that is known of the caches and of what they spare, as one value: for the API, the admin, and snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass

from caching.conf import conf
from caching.counters import parsed
from caching.heavy import HeavyName
from caching.totals import Labels, Timing, Totals, read_totals

_TOP = 20
_CACHE = "iiif_derivative_cache_"
_TIERS = "iiif_derivative_tier_"
_SOURCES = "iiif_sources_"
_DECODERS = "iiif_decoders_"


@dataclass(frozen=True, slots=True)
class Answers:
    """What requests of one outcome came to; seconds until the answer began to leave, None where there were none."""

    requests: int
    byte_size: int
    p50_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True, slots=True)
class Decodes:
    """Jobs of decoders of one kind, the wait for a decoder included."""

    jobs: int
    p50_seconds: float | None
    p95_seconds: float | None


@dataclass(frozen=True, slots=True)
class CacheReport:
    """Counts of this host since its statistics began. `cache`: events of the derivative cache by name; `tiers`: by
    tier below the first, then by name; `sources`: by store, then by name; `decoders`: what is under way now; `top`:
    the images that were asked for most.
    """

    processes: int
    answers: Mapping[str, Answers]
    decodes: Mapping[str, Decodes]
    cache: Mapping[str, int]
    tiers: Mapping[str, Mapping[str, int]]
    sources: Mapping[str, Mapping[str, int]]
    decoders: Mapping[str, int]
    top: tuple[HeavyName, ...]

    @property
    def hit_share(self) -> float | None:
        """Of the answers with pixels, the part that nothing had to be decoded for."""
        return hit_share({name: answers.requests for name, answers in self.answers.items()})


def hit_share(requests: Mapping[str, int]) -> float | None:
    """The same of numbers of answers by outcome; None where there were none with pixels."""
    spared = sum(requests.get(name, 0) for name in ("hit", "pass_through", "waited"))
    made = sum(requests.get(name, 0) for name in ("miss", "bypassed"))
    return spared / (spared + made) if spared + made else None


def cache_report() -> CacheReport:
    """Raises OSError where the statistics cannot be read."""
    return report_of(read_totals(conf.statistics_folder))


def report_of(totals: Totals) -> CacheReport:
    sent = totals.of("iiif_request_bytes")
    return CacheReport(
        processes=totals.processes,
        answers={
            _label(labels, "outcome"): _answers(timing, sent.get(labels, 0))
            for labels, timing in totals.timings_of("iiif_request_seconds").items()
        },
        decodes={
            _label(labels, "kind"): Decodes(timing.count, timing.quantile(0.5), timing.quantile(0.95))
            for labels, timing in totals.timings_of("iiif_decode_seconds").items()
        },
        cache={text.removeprefix(_CACHE): value for text, value in totals.counters.items() if text.startswith(_CACHE)},
        tiers=_by_label(totals, _TIERS, "tier"),
        sources=_by_label(totals, _SOURCES, "store"),
        decoders={
            text.removeprefix(_DECODERS): value for text, value in totals.gauges.items() if text.startswith(_DECODERS)
        },
        top=totals.top[:_TOP],
    )


def _answers(timing: Timing, byte_size: int) -> Answers:
    return Answers(timing.count, byte_size, timing.quantile(0.5), timing.quantile(0.95))


def _by_label(totals: Totals, prefix: str, label: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for text, value in totals.counters.items():
        name, labels = parsed(text)
        if name.startswith(prefix) and label in labels:
            found.setdefault(labels[label], {})[name.removeprefix(prefix)] = value
    return found


def _label(labels: Labels, name: str) -> str:
    return dict(labels).get(name, "")
