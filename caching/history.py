"""What snapshots tell, in periods of equal length as charts show them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from caching.counters import parsed
from caching.report import hit_share
from caching.snapshots import Growth


@dataclass(slots=True)
class Period:
    """What happened until `ends`, on all hosts. `is_known`: there was a snapshot. Counts are of events.

    `held` are bytes by kind and name, of each host at its last snapshot of the period; None where there was none.
    """

    ends: datetime
    is_known: bool = False
    answers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    origin_bytes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    evictions: int = 0
    _held: dict[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def hit_share(self) -> float | None:
        return hit_share(self.answers)

    def held(self, name: str) -> int | None:
        found = [held[name] for held in self._held.values() if name in held]
        return sum(found) if found else None

    @property
    def held_names(self) -> set[str]:
        return {name for held in self._held.values() for name in held}

    def add(self, growth: Growth) -> None:
        self.is_known = True
        self._held[growth.host] = growth.held
        for text, value in growth.counts.items():
            name, labels = parsed(text)
            if name == "iiif_request_seconds":
                self.answers[labels.get("outcome", "")] += value
            elif name == "iiif_sources_origin_bytes":
                self.origin_bytes[labels.get("store", "")] += value
            elif name in ("iiif_derivative_cache_evictions", "iiif_derivative_tier_evictions"):
                self.evictions += value


def list_periods(growths: Iterable[Growth], *, until: datetime, length: timedelta, count: int) -> list[Period]:
    """So many periods, oldest first, the last of which ends now; what is outside of them is left out."""
    periods = [Period(until - length * (count - 1 - number)) for number in range(count)]
    for growth in sorted(growths, key=lambda one: one.taken):
        number = count - 1 - (until - growth.taken) // length
        if 0 <= number < count:
            periods[number].add(growth)
    return periods
