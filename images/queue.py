"""The one place that enqueues: by task name, after the commit, so that services never import tasks."""

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def enqueue(task_name: str, *args: int | str) -> None:
    """Send `task_name` once the running transaction has committed.

    A broker that cannot be reached is logged and otherwise ignored: the record says what is to be done, and the beat
    task `images.requeue_stalled` sends it again.
    """
    transaction.on_commit(partial(enqueue_now, task_name, *args))


def enqueue_now(task_name: str, *args: int | str) -> None:
    """Send `task_name` at once: for what hangs on no transaction. A broker that is away is logged, as above."""
    task = current_app.tasks.get(task_name)
    try:
        if task is not None:
            task.apply_async(args=args, retry=False)
        else:
            current_app.send_task(task_name, args=args, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("The broker cannot be reached (%s); %s%r is sent again later", error, task_name, args)
