"""What runs by itself, and when: rows that beat reads and administrators edit; defaults are made where missing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

_LATE = timedelta(minutes=10)
"""Beat writes down every three minutes at the latest when it sent what; a restart takes its time as well."""


@dataclass(frozen=True, slots=True)
class DefaultTask:
    """`name` is how the row is found again, so it never changes; `description` is for whoever edits it."""

    name: str
    task: str
    seconds: int
    description: str


DEFAULTS = (
    DefaultTask("publish-outbox", "images.publish_outbox", 15, "Sends what was committed while the broker was away."),
    DefaultTask("resume-batches", "images.batches_resume", 60, "Goes on with batches whose worker died."),
    DefaultTask("requeue-stalled-jobs", "images.jobs_requeue", 60, "Goes on with jobs whose worker died."),
    DefaultTask("remove-old-jobs", "images.jobs_remove_old", 86_400, "Removes jobs that ended a month ago."),
    DefaultTask("refresh-by-age", "images.refresh_due", 60, "Looks at sources of stores that go out of date."),
    DefaultTask("requeue-stalled-images", "images.requeue_stalled", 60, "Reads images whose worker died, or anew."),
    DefaultTask("sweep-uploads", "images.sweep_uploads", 86_400, "Removes uploads that belong to no image."),
    DefaultTask("sweep-service-copies", "images.service_copies_sweep", 300, "Goes on with copies; removes orphans."),
    DefaultTask("sweep-offload", "images.sweep_offload", 600, "Keeps what nginx sends within its budget."),
    DefaultTask("snapshot-statistics", "caching.snapshot", 3_600, "Writes the counters down for the charts."),
    DefaultTask("sweep-derivatives", "caching.sweep", 600, "Keeps the caches within their budgets."),
)


def schedule_ensure() -> int:
    """Make the default rows that are missing; those that are there stay as they were edited. Returns how many."""
    return sum(_ensure(default) for default in DEFAULTS)


def _ensure(default: DefaultTask) -> bool:
    with transaction.atomic():
        _row, created = PeriodicTask.objects.get_or_create(
            name=default.name,
            defaults={
                "task": default.task,
                "interval": _interval(default.seconds),
                "description": default.description,
            },
        )
    return bool(created)


_UNUSED = (
    *("crontab", "solar", "clocked", "start_time", "expires", "expire_seconds"),
    *("queue", "exchange", "routing_key", "priority"),
)


def schedule_restore() -> int:
    """Set the default rows as they were at first, also those that were edited or deleted. Other rows stay.

    Returns how many rows were made or changed.
    """
    changed = 0
    with transaction.atomic():
        for default in DEFAULTS:
            changed += _ensure(default) or _restore(default)
    return changed


def _restore(default: DefaultTask) -> bool:
    row = PeriodicTask.objects.select_for_update().get(name=default.name)
    wanted = {
        "task": default.task,
        "interval": _interval(default.seconds),
        "enabled": True,
        "one_off": False,
        "args": "[]",
        "kwargs": "{}",
        "headers": "{}",
        **dict.fromkeys(_UNUSED),
    }
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return False
    for name, value in wanted.items():
        setattr(row, name, value)
    row.save()
    return True


def _interval(seconds: int) -> IntervalSchedule:
    """The row that everything of this interval shares."""
    values = {"every": seconds, "period": IntervalSchedule.SECONDS}
    return IntervalSchedule.objects.filter(**values).first() or IntervalSchedule.objects.create(**values)


@dataclass(slots=True)
class ScheduleState:
    """Names of default tasks that will not run, or have not run for longer than they should."""

    missing: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


def schedule_state() -> ScheduleState:
    """What of the default schedule wants looking after. One query."""
    names = [default.name for default in DEFAULTS]
    rows = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked").in_bulk(
        names, field_name="name"
    )
    return ScheduleState(
        missing=[name for name in names if name not in rows],
        disabled=[name for name, row in rows.items() if not row.enabled],
        late=list(_late(rows)),
    )


def _late(rows: dict[str, PeriodicTask]) -> Iterator[str]:
    """What was due some while ago, by whatever kind of schedule the row has now."""
    for name, row in rows.items():
        last = row.last_run_at or row.date_changed
        if row.enabled and row.schedule.remaining_estimate(last) < -_LATE:
            yield name
