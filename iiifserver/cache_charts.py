"""The charts of the cache page: which figures of the past are drawn, and in which units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from caching.history import Period, list_periods
from caching.snapshots import list_growth
from iiifserver.charts import Chart, Series, Value, chart_svg
from images.templatetags.iiif_urls import grouped

_MOST_STORES = 6
"""That have a colour of their own; the others are one."""


@dataclass(frozen=True, slots=True)
class Span:
    """`count` periods of `length` each."""

    length: timedelta
    count: int
    date_format: str

    @property
    def whole(self) -> timedelta:
        return self.length * self.count


SPANS = {
    "24h": Span(timedelta(hours=1), 24, "H:i"),
    "30d": Span(timedelta(days=1), 30, "MONTH_DAY_FORMAT"),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart for a template: its element, and the same as a table."""

    title: str
    svg: SafeString
    columns: list[dict[str, Any]]
    rows: list[tuple[str, list[str]]]
    is_empty: bool


def outcome_labels() -> dict[str, str]:
    """What happened to a request, in words; most wanted first."""
    return {
        "hit": _("from the cache"),
        "pass_through": _("stored tile as it is"),
        "not_modified": _("not modified"),
        "information": _("info.json"),
        "waited": _("made by another just then"),
        "miss": _("made and kept"),
        "bypassed": _("made and not kept"),
        "redirected": _("redirected"),
        "refused": _("refused"),
        "failed": _("failed"),
        "other": _("other"),
    }


def draw_charts(name: str, now: datetime | None = None) -> list[Drawn]:
    """Those of one of SPANS; one query."""
    now, span = now or timezone.now(), SPANS[name]
    # One period more: what happened in the first one is told from the snapshot before.
    growths = list_growth(span.whole + span.length, now)
    periods = list_periods(growths, until=now, length=span.length, count=span.count)
    labels = [date_format(timezone.localtime(period.ends), span.date_format) for period in periods]
    makers: Sequence[Callable[[Sequence[Period], Sequence[str]], Chart]] = (
        _hit_share,
        _answers,
        _origin_bytes,
        _evictions,
        _held_bytes,
    )
    return [_drawn(make(periods, labels), f"chart-{number}") for number, make in enumerate(makers)]


def _drawn(chart: Chart, identifier: str) -> Drawn:
    columns = [{"name": series.name, "colour": place % 8} for place, series in enumerate(chart.series)]
    svg = mark_safe(chart_svg(chart, identifier))  # noqa: S308 - every text in it is escaped there
    return Drawn(chart.title, svg, columns, chart.rows(), chart.is_empty)


def _hit_share(periods: Sequence[Period], labels: Sequence[str]) -> Chart:
    values = [None if (share := period.hit_share) is None else 100 * share for period in periods]
    latest = next((value for value in reversed(values) if value is not None), None)
    return Chart(
        title=_("Hit ratio"),
        description=_("Part of the answers with pixels for which nothing was decoded; last: %(value)s.")
        % {"value": "—" if latest is None else _percent(latest)},
        labels=labels,
        series=[Series(_("hit ratio"), values)],
        unit=_percent,
        top=100.0,
    )


def _answers(periods: Sequence[Period], labels: Sequence[str]) -> Chart:
    seen = {name for period in periods for name, count in period.answers.items() if count}
    known = outcome_labels()
    shown = [name for name in known if name in seen]
    return Chart(
        title=_("Answers by outcome"),
        description=_("Answers of each period, by what happened to the request; %(total)s in all.")
        % {"total": grouped(sum(sum(period.answers.values()) for period in periods))},
        labels=labels,
        series=[
            Series(known[name], [one.answers[name] if one.is_known else None for one in periods]) for name in shown
        ],
        unit=_count,
        stacked=True,
    )


def _origin_bytes(periods: Sequence[Period], labels: Sequence[str]) -> Chart:
    sums: dict[str, int] = {}
    for period in periods:
        for store, count in period.origin_bytes.items():
            sums[store] = sums.get(store, 0) + count
    ranked = sorted((store for store in sums if sums[store]), key=lambda store: (-sums[store], store))
    named, others = ranked[:_MOST_STORES], ranked[_MOST_STORES:]
    series = [Series(store or _("web"), _origin_values(periods, [store])) for store in named]
    if others:
        series.append(Series(_("others"), _origin_values(periods, others)))
    return Chart(
        title=_("Read from stores"),
        description=_("Bytes that were fetched of sources, by store; %(total)s in all.")
        % {"total": _size(sum(sums.values()))},
        labels=labels,
        series=series,
        unit=_size,
        binary=True,
        stacked=True,
    )


def _evictions(periods: Sequence[Period], labels: Sequence[str]) -> Chart:
    values = [one.evictions if one.is_known else None for one in periods]
    return Chart(
        title=_("Evictions"),
        description=_("Derivatives that had to make room; %(total)s in all.")
        % {"total": grouped(sum(value or 0 for value in values))},
        labels=labels,
        series=[Series(_("evictions"), values)] if any(values) else [],
        unit=_count,
        stacked=True,
    )


def _held_bytes(periods: Sequence[Period], labels: Sequence[str]) -> Chart:
    names = sorted({name for period in periods for name in period.held_names})
    return Chart(
        title=_("Held by the caches"),
        description=_("Bytes that lay in each cache at the end of each period."),
        labels=labels,
        series=[Series(place_label(name), [period.held(name) for period in periods]) for name in names],
        unit=_size,
        binary=True,
    )


def place_label(name: str) -> str:
    """A place of `caching.holdings` in words."""
    known = {
        "derivatives/derivatives": _("derivatives, first tier"),
        "sources/objects": _("whole sources"),
        "sources/blocks": _("ranges of sources"),
    }
    kind, _slash, rest = name.partition("/")
    return known.get(name) or (_("derivatives, %(tier)s") % {"tier": rest} if kind == "derivatives" else name)


def _origin_values(periods: Sequence[Period], stores: Sequence[str]) -> list[Value]:
    return [sum(one.origin_bytes[store] for store in stores) if one.is_known else None for one in periods]


def _count(value: float) -> str:
    return grouped(round(value))


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _size(value: float) -> str:
    return filesizeformat(int(value)).replace("\xa0", " ")
