"""Reports of what was counted, and snapshots of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from caching.counters import Counters
from caching.models import CacheSnapshot
from caching.report import cache_report
from caching.snapshots import list_growth, snapshot_take
from caching.stats import CacheStats
from caching.tasks import snapshot_task
from caching.traffic import Traffic

pytestmark = pytest.mark.django_db


@pytest.fixture
def counters(tmp_path: Path, settings: Any) -> Counters:
    settings.IIIF_STATISTICS_DIR = tmp_path / "statistics"
    return Counters(tmp_path / "statistics")


def test_a_report_says_what_was_counted(counters: Counters) -> None:
    traffic, stats = Traffic(counters), CacheStats(counters)
    traffic.note("hit", 0.0002, 100, "map")
    traffic.note("pass_through", 0.001, 50, "map")
    traffic.note("miss", 0.2, 70, "chart")
    traffic.publish()
    stats.count_hit(100)
    counters.counter("iiif_sources_origin_bytes", store="nga").add(900)
    counters.histogram("iiif_decode_seconds", kind="render").observe(0.04)
    report = cache_report()
    assert report.answers["pass_through"].requests == 1
    assert report.answers["hit"].byte_size == 100
    assert 0.1 <= (report.answers["miss"].p95_seconds or 0) <= 0.25
    assert report.hit_share == pytest.approx(2 / 3)
    assert report.cache["hits"] == 1
    assert report.sources == {"nga": {"origin_bytes": 900}}
    assert report.decodes["render"].jobs == 1
    assert [(row.name, row.requests) for row in report.top] == [("map", 2), ("chart", 1)]
    counters.let_go()


def test_growth_between_snapshots(counters: Counters, django_assert_num_queries: Any) -> None:
    now = timezone.now()
    cell = counters.counter("hits")
    for hours, amount in ((3, 5), (2, 7), (1, 0)):
        cell.add(amount)
        snapshot_take(now - timedelta(hours=hours))
    with django_assert_num_queries(1):
        growth = list_growth(timedelta(hours=24), now)
    assert [one.counts["hits"] for one in growth] == [7, 0]
    assert list_growth(timedelta(minutes=90), now) == []
    counters.let_go()


def test_old_snapshots_are_removed(counters: Counters) -> None:
    snapshot_take(timezone.now() - timedelta(days=91))
    snapshot_task.run()
    assert CacheSnapshot.objects.count() == 1
    counters.let_go()
