"""The one place that enqueues: by task name, so that services never import tasks, and through the outbox.

What a transaction needs done is a row of it. Once it has committed the row is sent and removed; if the process dies or
the broker is away in between, the row stays and `publish_waiting` sends it later. So nothing is lost, and what is sent
twice does no harm, since tasks are idempotent.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from celery import current_app
from django.db import DatabaseError, connections, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from images.models import OutboxEntry

logger = logging.getLogger(__name__)

Argument = int | str

_REST_SECONDS = 15.0
"""For which a broker that did not answer is left alone: one request an interval waits for it, not each of them."""

_GRACE = timedelta(seconds=10)
"""Longer than it takes to send what was committed a moment ago."""

_AT_ONCE = 100

_ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""The broker may have been started anew since the connection was made."""


class Queue(StrEnum):
    """Workers take from each in turn, so none waits for all of another."""

    INGEST = "ingest"
    BULK = "bulk"
    DERIVATIVES = "derivatives"
    CACHING = "caching"


def enqueue(task_name: str, *arguments: Argument, queue: Queue | None = None) -> None:
    """Send `task_name` once the running transaction has committed, to `queue` or where its name is routed to.

    A broker that cannot be reached is logged and otherwise ignored: the task is sent when it is back.
    """
    enqueue_many(task_name, [arguments], queue=queue)


def enqueue_many(task_name: str, calls: Iterable[Sequence[Argument]], *, queue: Queue | None = None) -> None:
    """The same for many calls of one task, with few statements."""
    entries = [OutboxEntry(task=task_name, arguments=list(arguments), queue=queue or "") for arguments in calls]
    if len(entries) == 1:
        entries[0].save(force_insert=True)
    elif entries:
        OutboxEntry.objects.bulk_create(entries, batch_size=_AT_ONCE)
    for start in range(0, len(entries), _AT_ONCE):
        transaction.on_commit(partial(_publish, entries[start : start + _AT_ONCE]))


def enqueue_now(task_name: str, *arguments: Argument) -> None:
    """Send `task_name` at once and without a row: for hints on the way to an answer, which may be lost."""
    _send(OutboxEntry(task=task_name, arguments=list(arguments)))


def enqueue_aside(task_name: str, *arguments: Argument) -> None:
    """The same in a thread of its own, since a slow broker must hold up no answer. Raises nothing, there neither."""
    threading.Thread(target=_hint, args=(task_name, arguments), name="enqueue", daemon=True).start()


def _hint(task_name: str, arguments: Sequence[Argument]) -> None:
    """A task that runs at once, for want of a broker, may fail as it likes: who asked for it is gone."""
    try:
        enqueue_now(task_name, *arguments)
    except Exception:
        logger.warning("The hint %s%r came to nothing", task_name, tuple(arguments), exc_info=True)
    finally:
        connections.close_all()  # of this thread alone


def publish_waiting() -> int:
    """Send what was committed and not sent then: the broker was away, or a process died. Returns how much was."""
    before = timezone.now() - _GRACE
    published = 0
    while True:
        entries = list(OutboxEntry.objects.filter(created__lt=before).order_by("pk")[:_AT_ONCE])
        sent = _publish(entries)
        published += sent
        if sent < _AT_ONCE:
            break
    if published:
        logger.info("%d tasks were sent that had been left in the outbox", published)
    return published


def _publish(entries: Sequence[OutboxEntry]) -> int:
    """Send entries and remove them, up to the first that the broker does not take. Returns how many it took."""
    sent: list[int] = []
    try:
        for entry in entries:
            if not _send(entry):
                break
            sent.append(entry.pk)
    finally:
        if sent:
            _remove(sent)
    return len(sent)


def _remove(pks: list[int]) -> None:
    try:
        OutboxEntry.objects.filter(pk__in=pks).delete()
    except DatabaseError as error:
        logger.warning("%d tasks are sent a second time, since the outbox cannot be written: %s", len(pks), error)


class _Broker:
    """Whether the broker has lately refused to answer this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rests_until = float("-inf")

    def may_be_asked(self) -> bool:
        """Of several threads that find the rest over, one tries first: the others go on without."""
        now = time.monotonic()
        with self._lock:
            if now < self._rests_until:
                return False
            if self._rests_until != float("-inf"):
                self._rests_until = now + _REST_SECONDS
            return True

    def note_answer(self) -> None:
        self._rests_until = float("-inf")

    def note_failure(self) -> None:
        self._rests_until = time.monotonic() + _REST_SECONDS


_broker = _Broker()


def _send(entry: OutboxEntry) -> bool:
    """Whether the broker took it."""
    if not _broker.may_be_asked():
        return False
    options: dict[str, Any] = {"retry": True, "retry_policy": _ONCE_MORE}
    if entry.queue:
        options["queue"] = entry.queue
    task = current_app.tasks.get(entry.task)
    try:
        if task is not None:
            task.apply_async(args=entry.arguments, **options)
        else:
            current_app.send_task(entry.task, args=entry.arguments, **options)
    except Exception as error:
        if not isinstance(error, _broker_errors()):
            raise
        _broker.note_failure()
        logger.warning("The broker cannot be reached (%s); %s is sent again later", error, entry)
        return False
    _broker.note_answer()
    return True


def _broker_errors() -> tuple[type[BaseException], ...]:
    """What the transport raises; its library's errors are no OSErrors."""
    connection = current_app.connection_for_write()
    return (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors)
