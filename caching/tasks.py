"""Housekeeping as Celery runs it."""

from celery import shared_task

from caching.derivatives import get_derivative_cache


@shared_task(name="caching.sweep", queue="caching", ignore_result=True)
def sweep_task() -> None:
    get_derivative_cache().sweep()
