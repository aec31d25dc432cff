"""Jobs: work on many images with a row that says how far it is. Here they are made, watched and ended."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from images.models import Job, JobState
from images.queue import enqueue

_WRITE_SECONDS = 1.0


class JobCancelledError(Exception):
    """Somebody cancelled the job, or another worker has taken it over; what was done stays done."""


@dataclass(slots=True)
class JobProgress:
    """What a runner says of its job; written once a second at most. After a crash a job begins anew, from 0."""

    job_pk: int
    attempts: int
    parameters: Mapping[str, Any]
    total: int = 0
    done: int = 0
    failed: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    _written: float = 0.0

    def expect(self, total: int) -> None:
        """So many items there are. Raises JobCancelledError."""
        self.total = total
        self.write()

    def advance(self, done: int = 1, *, failed: int = 0) -> None:
        """So many more items are done, of which some failed. Raises JobCancelledError."""
        self.done += done
        self.failed += failed
        if time.monotonic() - self._written >= _WRITE_SECONDS:
            self.write()

    def beat(self) -> None:
        """A sign of life in the middle of an item. Raises JobCancelledError."""
        self.advance(0)

    def write(self) -> None:
        """Raises JobCancelledError."""
        self._written = time.monotonic()
        if not self.finish(state=JobState.RUNNING):
            raise JobCancelledError

    def finish(self, **values: Any) -> bool:
        """Write all of it, if the job still is this worker's; whether it was."""
        owned = Job.objects.filter(pk=self.job_pk, state=JobState.RUNNING, attempts=self.attempts)
        counts = {"total": self.total, "done": self.done, "failed": self.failed, "detail": self.detail}
        return bool(owned.update(**counts, state_changed=timezone.now(), **values))


JobRunner = Callable[[JobProgress], None]
"""Does a job: reads `parameters`, calls `expect` and `advance`. May run twice over the same items."""


def job_create(
    kind: str, parameters: Mapping[str, Any], *, user: AbstractBaseUser | None = None, total: int = 0
) -> Job:
    """A job of one of `job_running.KINDS`, queued on commit; `total` where it is known already."""
    with transaction.atomic():
        job = Job.objects.create(
            kind=kind,
            parameters=dict(parameters),
            total=total,
            state_changed=timezone.now(),
            created_by_id=None if user is None else user.pk,
        )
        enqueue("images.job", job.pk)
    return job


def job_cancel(pk: int) -> bool:
    """End a job that is not finished; a running one stops within a second or so. False where it was finished."""
    unfinished = Job.objects.filter(pk=pk, state__in=(JobState.PENDING, JobState.RUNNING))
    now = timezone.now()
    return bool(unfinished.update(state=JobState.CANCELLED, state_changed=now, finished=now))
