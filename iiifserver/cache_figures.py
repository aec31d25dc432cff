"""The figures of the cache page, as rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from caching.backends.protocol import Usage
from caching.conf import conf
from caching.holdings import FIRST, list_holdings
from caching.report import CacheReport
from iiifserver.cache_charts import outcome_labels, place_label
from images.models import Image, Job, JobState, OutboxEntry
from images.templatetags.iiif_urls import grouped

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Place:
    """A row of the table of tiers; None is not known. Percentages are of the budgets."""

    name: str
    usage: Usage | None
    hit_percent: float | None
    evictions: int | None
    corrupt: int | None
    errors: int | None

    @property
    def bytes_percent(self) -> int | None:
        return None if self.usage is None else _percent(self.usage.held.bytes, self.usage.budget.bytes)

    @property
    def entries_percent(self) -> int | None:
        return None if self.usage is None else _percent(self.usage.held.entries, self.usage.budget.entries)


def list_places(report: CacheReport) -> list[Place]:
    """Every tier and every cache of sources."""
    return [_memory(report), *(_place(report, one.kind, one.name, one.usage) for one in list_holdings())]


def _memory(report: CacheReport) -> Place:
    """What the processes hold together, nobody knows."""
    name = _("memory of each process (%(bytes)s MiB)") % {"bytes": grouped(round(conf.memory_bytes / 2**20))}
    hits = report.cache.get("memory_hits", 0)
    return Place(name, None, _ratio(hits, _asked(report) - hits), None, None, None)


def _place(report: CacheReport, kind: str, name: str, usage: Usage | None) -> Place:
    label = place_label(f"{kind}/{name}")
    if kind == "derivatives" and name == FIRST:
        above = report.cache.get("memory_hits", 0)
        below = sum(counts.get("hits", 0) for counts in report.tiers.values())
        hits = max(0, report.cache.get("hits", 0) - above - below)
        return _counted(label, usage, report.cache, _ratio(hits, _asked(report) - above - hits))
    if kind == "derivatives":
        counts = report.tiers.get(name, {})
        return _counted(label, usage, counts, _ratio(counts.get("hits", 0), counts.get("misses", 0)))
    sums = _sums(report.sources)
    if name != "blocks":
        return Place(label, usage, None, None, None, sums.get("fill_errors", 0))
    ratio = _ratio(sums.get("block_hits", 0), sums.get("block_misses", 0))
    return Place(label, usage, ratio, None, sums.get("corrupt", 0), None)


def _counted(label: str, usage: Usage | None, counts: Counts, ratio: float | None) -> Place:
    return Place(label, usage, ratio, *(counts.get(name, 0) for name in ("evictions", "corrupt", "errors")))


def _asked(report: CacheReport) -> int:
    """How often a derivative was looked for."""
    return sum(report.cache.get(name, 0) for name in ("hits", "misses", "waits"))


def _sums(sources: Mapping[str, Counts]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for counts in sources.values():
        for name, value in counts.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def _ratio(hits: int, others: int) -> float | None:
    asked = hits + max(0, others)
    return 100 * hits / asked if asked else None


def _percent(held: int, budget: int) -> int | None:
    return min(100, round(100 * held / budget)) if budget else None


def list_summary(report: CacheReport) -> list[tuple[str, str]]:
    """What is looked at first; three queries."""
    share = report.hit_share
    unfinished = Job.objects.filter(state=JobState.RUNNING).count()
    waiting = Job.objects.filter(state=JobState.PENDING).count()
    sources = _sums(report.sources)
    return [
        (_("Hit ratio"), "—" if share is None else f"{number_format(round(100 * share, 1), 1)} %"),
        (_("Waits for what another makes"), grouped(report.cache.get("waits", 0))),
        (_("Waits that were too long"), grouped(report.cache.get("wait_timeouts", 0))),
        (_("Waits for what another fetches"), grouped(sources.get("waits", 0))),
        (_("Requests that wait for a decoder"), grouped(report.decoders.get("queue_depth", 0))),
        (_("Decoders at work"), _pair(report.decoders.get("busy", 0), report.decoders.get("processes", 0))),
        (_("Tasks that wait to be sent"), grouped(OutboxEntry.objects.count())),
        (_("Jobs that run, and wait"), _pair(unfinished, waiting)),
        (_("Processes that count"), grouped(report.processes)),
    ]


def _pair(first: int, second: int) -> str:
    return f"{grouped(first)} / {grouped(second)}"


def list_answers(report: CacheReport) -> list[dict[str, Any]]:
    labels = outcome_labels()
    known = [(label, report.answers[name]) for name, label in labels.items() if name in report.answers]
    return [{"label": label, "answers": answers} for label, answers in known if answers.requests]


def list_decodes(report: CacheReport) -> list[dict[str, Any]]:
    return [{"label": kind, "decodes": decodes} for kind, decodes in sorted(report.decodes.items()) if decodes.jobs]


def list_stores(report: CacheReport) -> list[tuple[str, Counts]]:
    """Those that were read from, most bytes first."""
    read = [(name or _("web"), counts) for name, counts in report.sources.items() if any(counts.values())]
    return sorted(read, key=lambda row: (-row[1].get("origin_bytes", 0), row[0]))


def list_top(report: CacheReport) -> Iterator[dict[str, Any]]:
    """The images with most traffic, with links to the records that there still are; one query."""
    names = [row.name for row in report.top]
    labels = {name: (pk, label) for name, pk, label in _records(names)}
    for row in report.top:
        pk, label = labels.get(row.name, (None, ""))
        yield {
            "name": row.name,
            "label": label,
            "url": None if pk is None else reverse("admin:images_image_change", args=[pk]),
            "requests": row.requests,
            "bytes": row.byte_size,
        }


def _records(names: list[str]) -> Any:
    return Image.objects.order_by().filter(identifier__in=names).values_list("identifier", "pk", "label")
