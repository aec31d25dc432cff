"""Housekeeping as Celery runs it."""

from celery import shared_task

from caching.derivatives import get_derivative_cache
from caching.snapshots import snapshot_take
from caching.sources.caches import get_source_caches


@shared_task(name="caching.sweep", ignore_result=True)
def sweep_task() -> None:
    get_derivative_cache().sweep()
    get_source_caches().sweep()


@shared_task(name="caching.snapshot", ignore_result=True)
def snapshot_task() -> None:
    snapshot_take()
