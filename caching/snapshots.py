"""Statistics of the past: a snapshot an hour, and what happened between them."""

import socket
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from caching.conf import conf
from caching.holdings import held_bytes
from caching.models import CacheSnapshot
from caching.totals import Totals, read_totals

KEPT = timedelta(days=90)
"""A quarter; each takes some 5 KB."""


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much counters grew until `taken`, from the snapshot before; and how many bytes the caches held then."""

    host: str
    taken: datetime
    counts: dict[str, int]
    held: dict[str, int]


def snapshot_take(now: datetime | None = None) -> CacheSnapshot:
    """Write down what this host has counted, and forget what is too old. Raises OSError."""
    now = now or timezone.now()
    counts = _counts(read_totals(conf.statistics_folder))
    CacheSnapshot.objects.filter(taken__lt=now - KEPT).delete()
    return CacheSnapshot.objects.create(host=socket.gethostname(), taken=now, counts=counts, held=held_bytes())


def list_growth(span: timedelta, now: datetime | None = None) -> list[Growth]:
    """What happened within the span, from snapshot to snapshot of each host, oldest first; one query."""
    since = (now or timezone.now()) - span
    last: dict[str, dict[str, int]] = {}
    found: list[Growth] = []
    for host, taken, counts, held in (
        CacheSnapshot.objects.filter(taken__gte=since).order_by("taken").values_list("host", "taken", "counts", "held")
    ):
        before = last.get(host)
        if before is not None:
            grown = defaultdict(int, before)
            # A number that went down was begun anew, with statistics that somebody removed.
            changes = {name: value - grown[name] if value >= grown[name] else value for name, value in counts.items()}
            found.append(Growth(host, taken, changes, held))
        last[host] = counts
    return found


def _counts(totals: Totals) -> dict[str, int]:
    requests = {text: timing.count for text, timing in totals.timings.items()}
    return {**totals.counters, **requests}
