"""What beat does by itself: rows that are made once and edited since, each with a task and a queue; what they do."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from celery.beat import Service
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from iiifserver.celery import app
from images.models import Job, JobState, OutboxEntry
from images.services.roles import ADMINISTRATOR, roles_ensure
from images.services.schedule import DEFAULTS, schedule_ensure, schedule_restore, schedule_state
from tests.support.broker import broker, folder_broker, take

NAMES = {default.task for default in DEFAULTS}
LONG_AGO = timedelta(days=40)
ALL = sorted(default.name for default in DEFAULTS)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_scheduled_exists_and_waits_for_no_ingest(name: str) -> None:
    current_app.loader.import_default_modules()
    assert name in current_app.tasks
    assert current_app.amqp.router.route({}, name)["queue"].name == "caching"


def test_nothing_else_is_scheduled_anywhere() -> None:
    assert settings.CELERY_BEAT_SCHEDULE == {}
    assert len(NAMES) == len(DEFAULTS)


@pytest.mark.django_db
def test_the_defaults_are_made_once_and_edits_stay() -> None:
    assert schedule_ensure() == len(DEFAULTS)
    assert PeriodicTask.objects.filter(enabled=True).count() == len(DEFAULTS)
    nightly = CrontabSchedule.objects.create(minute="30", hour="3")
    row = PeriodicTask.objects.get(name="sweep-derivatives")
    row.interval, row.crontab = None, nightly
    row.save()
    PeriodicTask.objects.filter(name="snapshot-statistics").update(enabled=False)

    assert schedule_ensure() == 0

    row.refresh_from_db()
    assert (row.interval, row.crontab) == (None, nightly)
    assert not PeriodicTask.objects.get(name="snapshot-statistics").enabled


@pytest.mark.django_db
def test_what_is_restored_is_what_was_there_at_first() -> None:
    schedule_ensure()
    first = {row["name"]: row for row in PeriodicTask.objects.values("name", "task", "interval", "crontab", "enabled")}
    PeriodicTask.objects.filter(name="sweep-derivatives").update(
        interval=None, crontab=CrontabSchedule.objects.create(hour="3"), enabled=False
    )
    PeriodicTask.objects.get(name="refresh-by-age").delete()
    hourly = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="my own", task="caching.sweep", interval=hourly)

    call_command("restore_schedule")

    rows = PeriodicTask.objects.exclude(name="my own").values("name", "task", "interval", "crontab", "enabled")
    assert {row["name"]: row for row in rows} == first
    assert PeriodicTask.objects.filter(name="my own").exists()
    assert schedule_restore() == 0


@pytest.mark.django_db
def test_what_does_not_run_is_named(admin_client: Client) -> None:
    assert schedule_state().missing == [default.name for default in DEFAULTS]
    schedule_ensure()
    now = timezone.now()
    PeriodicTask.objects.update(last_run_at=now)
    PeriodicTask.objects.filter(name="sweep-uploads").update(last_run_at=now - timedelta(hours=23))
    state = schedule_state()
    assert (state.missing, state.disabled, state.late) == ([], [], [])

    PeriodicTask.objects.get(name="resume-batches").delete()
    PeriodicTask.objects.filter(name="sweep-offload").update(enabled=False)
    PeriodicTask.objects.filter(name="publish-outbox").update(last_run_at=now - timedelta(minutes=11))
    PeriodicTask.objects.filter(name="snapshot-statistics").update(last_run_at=now - timedelta(minutes=65))
    state = schedule_state()
    assert (state.missing, state.disabled, state.late) == (["resume-batches"], ["sweep-offload"], ["publish-outbox"])
    text = admin_client.get("/admin/system/").content.decode()
    assert "missing in the schedule: resume-batches" in text
    assert "switched off: sweep-offload" in text
    assert "not run for too long: publish-outbox" in text


@pytest.mark.django_db(transaction=True)
def test_beat_sends_what_the_rows_say_and_sees_edits(tmp_path: Path) -> None:
    """The scheduler itself, tick by tick, with the embedded broker and this database."""
    schedule_ensure()
    past = timezone.now() - timedelta(minutes=5)
    PeriodicTask.objects.filter(name="publish-outbox").update(last_run_at=past)
    with broker(*folder_broker(tmp_path / "broker")):
        scheduler = Service(app, scheduler_cls=DatabaseScheduler).get_scheduler()
        assert isinstance(scheduler, DatabaseScheduler)
        assert sorted(scheduler.schedule) == ALL
        scheduler.tick()
        assert take("caching") == ("images.publish_outbox", [])
        scheduler.sync()
        assert PeriodicTask.objects.get(name="publish-outbox").total_run_count == 1

        row = PeriodicTask.objects.get(name="sweep-derivatives")
        row.last_run_at = past
        row.interval = IntervalSchedule.objects.create(every=1, period="minutes")
        row.save()  # as the admin does
        scheduler.tick()
        scheduler.tick()
        assert take("caching") == ("caching.sweep", [])
        assert take("caching") is None
        scheduler._finalize.cancel()  # it would write at the end of this process, when the database is gone


@pytest.mark.django_db
def test_administrators_edit_it_and_curators_do_not_see_it(client: Client) -> None:
    schedule_ensure()
    roles_ensure()
    user = get_user_model().objects.create_user("keeper", is_staff=True)
    client.force_login(user)
    row = PeriodicTask.objects.get(name="sweep-derivatives")
    address = f"/admin/django_celery_beat/periodictask/{row.pk}/change/"
    assert client.get(address).status_code == 403
    user.groups.add(Group.objects.get(name=ADMINISTRATOR))
    index = client.get("/admin/").content.decode()
    for model, shown in {"periodictask": 1, "intervalschedule": 1, "crontabschedule": 1, "solarschedule": 0}.items():
        assert (f"/admin/django_celery_beat/{model}/" in index) == bool(shown)
    assert client.get("/admin/django_celery_beat/clockedschedule/").status_code == 404
    page = client.get(address).content.decode()
    assert "caching.sweep" in page
    hourly = IntervalSchedule.objects.create(every=1, period="hours")
    sent = {"name": row.name, "regtask": row.task, "task": row.task, "enabled": "on", "interval": hourly.pk}
    sent |= {"args": "[]", "kwargs": "{}", "start_time_0": "", "start_time_1": ""}
    answer = client.post(address, sent)
    assert answer.status_code == 302, answer.content.decode()
    row.refresh_from_db()
    assert row.interval == hourly

    listed = "/admin/django_celery_beat/periodictask/"
    answer = client.post(listed, {"action": "restore_defaults", "_selected_action": [row.pk]}, follow=True)
    assert "1 task was restored." in answer.content.decode()
    row.refresh_from_db()
    assert row.interval.every == 600


def run_scheduled(name: str) -> None:
    assert name in NAMES
    current_app.loader.import_default_modules()
    current_app.tasks[name]()


def make_job(**values: Any) -> Job:
    job = Job.objects.create(kind="purge", parameters={}, state_changed=timezone.now())
    Job.objects.filter(pk=job.pk).update(**values)
    return job


@pytest.mark.django_db
def test_a_job_that_a_dead_worker_left_is_queued_again() -> None:
    left = make_job(state=JobState.RUNNING, state_changed=timezone.now() - LONG_AGO, attempts=1)
    make_job(state=JobState.RUNNING, attempts=1)

    run_scheduled("images.jobs_requeue")

    assert list(OutboxEntry.objects.values_list("task", "arguments")) == [("images.job", [left.pk])]


@pytest.mark.django_db
def test_a_job_that_ended_its_worker_too_often_fails() -> None:
    job = make_job(state=JobState.RUNNING, state_changed=timezone.now() - LONG_AGO, attempts=99)

    run_scheduled("images.jobs_requeue")

    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.error_detail
    assert not OutboxEntry.objects.exists()


@pytest.mark.django_db
def test_only_old_jobs_that_ended_are_removed() -> None:
    make_job(state=JobState.DONE, finished=timezone.now() - LONG_AGO)
    recent = make_job(state=JobState.DONE, finished=timezone.now())
    waiting = make_job(state=JobState.PENDING, state_changed=timezone.now() - LONG_AGO)

    run_scheduled("images.jobs_remove_old")

    assert set(Job.objects.values_list("pk", flat=True)) == {recent.pk, waiting.pk}
