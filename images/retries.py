"""Which errors of a task are worth another try, when, and how often: one table for all tasks.

What is not in it is permanent: the same try would fail the same way. What has used up its tries, or was lost with its
worker or its broker, is found by the sweeps of the schedule, which look at the records (images/services/schedule.py).
"""

import random
from dataclasses import dataclass
from typing import Any

from celery import Task
from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError

from images.services.ingest import IngestRetryError
from images.services.service_copies import ServiceCopyRetryError


@dataclass(frozen=True, slots=True)
class Retry:
    """After the n-th failure the next try begins somewhere in the later half of min(longest, first × 2ⁿ⁻¹) seconds."""

    errors: tuple[type[Exception], ...]
    first: float
    longest: float
    tries: int

    def delay(self, failures: int) -> float:
        """Seconds; random, so that what failed together does not come back together."""
        most = min(self.longest, self.first * 2.0 ** min(failures, 32))
        return random.uniform(most / 2, most)  # noqa: S311 - not a secret


RETRIES = (
    # The source or a decoder could not be had: the services tell these from what is wrong with the image itself, and
    # give up after IIIF_INGEST_ATTEMPTS tries.
    Retry((IngestRetryError,), first=5, longest=600, tries=10),
    Retry((ServiceCopyRetryError,), first=30, longest=600, tries=20),
    # The database or the broker is away: some two hours, longer than a failover or an upgrade takes.
    Retry((OperationalError, InterfaceError, BrokerError), first=5, longest=600, tries=20),
)


def find_retry(error: Exception) -> Retry | None:
    """The row of an error, or None where it is permanent."""
    return next((row for row in RETRIES if isinstance(error, row.errors)), None)


class RetryingTask(Task[Any, Any]):
    """A task that is tried again as the table says."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.run(*args, **kwargs)
        except Exception as error:
            row = find_retry(error)
            if row is None:
                raise
            raise self.retry(exc=error, countdown=row.delay(self.request.retries), max_retries=row.tries) from error
