"""Jobs as a worker runs them: claimed by one, taken over where that one died, and removed when they are old."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from images.conf import conf
from images.models import Job, JobState
from images.queue import enqueue_many
from images.services import bulk_actions, purging
from images.services.jobs import JobCancelledError, JobProgress, JobRunner

logger = logging.getLogger(__name__)

KINDS: Mapping[str, JobRunner] = {
    bulk_actions.KIND: bulk_actions.run_bulk_action,
    purging.KIND: purging.run_purge,
}
_FINISHED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
_KEPT = timedelta(days=30)


def job_run(pk: int) -> None:
    """Run a job that waits, or whose worker has been silent for too long; anything else is left alone.

    What a runner raises ends the job as failed and is raised again, for the log.
    """
    progress = _claim(pk)
    if progress is None:
        return
    kind = Job.objects.values_list("kind", flat=True).get(pk=pk)
    try:
        KINDS[kind](progress)
    except JobCancelledError:
        logger.info("Job %d was cancelled", pk)
    except Exception as error:
        detail = str(getattr(error, "detail", "") or error) or type(error).__name__
        progress.finish(state=JobState.FAILED, error_detail=detail, finished=timezone.now())
        raise
    else:
        progress.finish(state=JobState.DONE, finished=timezone.now())


def _claim(pk: int) -> JobProgress | None:
    now = timezone.now()
    free = Q(state=JobState.PENDING) | Q(state=JobState.RUNNING, state_changed__lt=_stalled_before())
    claimed = Job.objects.filter(free, pk=pk, attempts__lt=conf.ingest_attempts).update(
        state=JobState.RUNNING, state_changed=now, started=now, attempts=F("attempts") + 1, done=0, failed=0, detail={}
    )
    job = Job.objects.filter(pk=pk).first() if claimed else None
    return None if job is None else JobProgress(job.pk, job.attempts, job.parameters, job.total)


def _stalled_before() -> datetime:
    return timezone.now() - timedelta(seconds=conf.stalled_seconds)


def jobs_requeue_stalled() -> int:
    """Queue again what was lost or left by a worker that died; fail what ended several. Returns how many it queued."""
    stalled = Job.objects.filter(state__in=(JobState.PENDING, JobState.RUNNING), state_changed__lt=_stalled_before())
    now = timezone.now()
    detail = "The server stopped several times while it did this."
    stalled.filter(attempts__gte=conf.ingest_attempts).update(
        state=JobState.FAILED, state_changed=now, finished=now, error_detail=detail
    )
    pks = list(stalled.filter(attempts__lt=conf.ingest_attempts).values_list("pk", flat=True))
    enqueue_many("images.job", [(pk,) for pk in pks])
    return len(pks)


def jobs_remove_old() -> int:
    """Remove the rows of jobs that ended a month ago. Returns how many."""
    removed, _by_model = Job.objects.filter(state__in=_FINISHED, finished__lt=timezone.now() - _KEPT).delete()
    return removed
