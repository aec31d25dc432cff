"""How long lists are: of long ones remembered for some seconds, since that is what a page of them costs most."""

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection, connections
from django.db.models import Count, QuerySet
from django.utils import timezone

from caching.background import BackgroundQueue

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

LARGE = 2000
"""Rows from which on a count is remembered: nobody counts along."""
_SECONDS = 10.0
_OLD_SECONDS = 300.0
"""For so long visitors have a count that is counted anew meanwhile; longer if little is known to have changed since."""
_OLDEST_SECONDS = 86_400.0
"""But no longer than this: not all is known, as of images that were removed before they were read."""
_LITTLE = 100
"""Changed records are little for a count of so many times as many."""
_SETTLED = timedelta(minutes=1)
"""So long before a count transactions may have begun that it did not see, and other machines' clocks be wrong."""
_PAUSE_SECONDS = 0.05
"""Before something is counted in the background: the answer that set it off goes first."""
_COUNTS = 256
_WAITING = 64

_queue = BackgroundQueue("counts", _WAITING)


Later = Callable[[Hashable, Callable[[], object]], object]


def later(key: Hashable, job: Callable[[], object]) -> bool:
    """Have something counted that no page waits for, unless that is being done; False where too much is waiting."""
    return _queue.submit_once(key, lambda: _work(job))


def _work(job: Callable[[], object]) -> None:
    time.sleep(_PAUSE_SECONDS)
    try:
        job()
    except DatabaseError as error:
        logger.warning("what was to be looked up ahead could not be: %s", error)
    finally:
        connections.close_all()  # of this thread


class Counted(NamedTuple):
    """A count, when it was taken by the memo's clock, and by the clock that records go by."""

    total: int = 0
    taken: float = float("-inf")
    moment: datetime = datetime.min.replace(tzinfo=UTC)


class CountMemo:
    """Remembers how many rows a long list has, for some seconds; of images asked for an old count, for longer.

    What is asked for again within that time is counted in the background. Thread-safe.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        later: Later = later,
        count_changed: Callable[[datetime, int], int] | None = None,
    ) -> None:
        self._clock = clock
        self._later = later
        self._count_changed = count_changed or _count_changed
        self._counts: dict[object, Counted] = {}

    def count(self, rows: QuerySet[Any], *, old: bool = False) -> int:
        """`old`, of images: a count is as good that is five minutes old, or since which little has changed."""
        try:
            key = _question(rows)
        except EmptyResultSet:
            return 0
        known = self._known(key, rows, old=old)
        return self._count(key, rows) if known is None else known

    def count_up_to(self, rows: QuerySet[Any], most: int) -> tuple[int, bool]:
        """An old count; without one no more than `most` are counted now. Whether there are more than that.

        All are counted later then.
        """
        try:
            key = _question(rows)
        except EmptyResultSet:
            return 0, False
        known = self._known(key, rows, old=True)
        if known is not None:
            return known, False
        taken = self._begin()
        found = rows.order_by()[: most + 1].count()
        if found <= most:
            return self._keep(key, taken._replace(total=found)), False
        self._later(key, partial(self._count, key, rows.all()))
        return most, True

    def count_by(self, rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
        """How many images name each of the records in this foreign key; old counts are as good."""
        question = (field, *_question(rows))
        found = {key: self._find((*question, key)) for key in keys}
        good = self._still_good(found)
        counts = {key: found[key].total for key in good}
        aged = tuple(key for key in good if self._age(found[key]) >= _SECONDS)
        if len(good) < len(found):
            counts |= self._count_by(question, rows, field, [key for key in found if key not in counts])
        if aged:
            self._later((question, aged), partial(self._count_by, question, rows.all(), field, aged))
        return counts

    def clear(self) -> None:
        self._counts.clear()

    def _known(self, key: Hashable, rows: QuerySet[Any], *, old: bool) -> int | None:
        """None where it has to be counted."""
        counted = self._find(key)
        if not (self._still_good({key: counted}) if old else self._age(counted) < _SECONDS):
            return None
        if self._age(counted) >= _SECONDS:
            self._later(key, partial(self._count, key, rows.all()))
        return counted.total

    def _still_good(self, found: Mapping[K, Counted]) -> list[K]:
        """Which of the counts are not too old for visitors. What has changed is asked for once."""
        aged = {key: each for key, each in found.items() if _OLD_SECONDS <= self._age(each) < _OLDEST_SECONDS}
        changed = 0
        if aged:
            most = max(each.total for each in aged.values()) // _LITTLE
            changed = self._count_changed(min(each.moment for each in aged.values()), most)
        return [
            key
            for key, each in found.items()
            if self._age(each) < _OLD_SECONDS or (key in aged and changed <= each.total // _LITTLE)
        ]

    def _age(self, counted: Counted) -> float:
        """In seconds; infinite where nothing was counted."""
        return self._clock() - counted.taken

    def _find(self, key: object) -> Counted:
        return self._counts.get(key, Counted())

    def _begin(self) -> Counted:
        return Counted(0, self._clock(), timezone.now())

    def _count(self, key: object, rows: QuerySet[Any]) -> int:
        taken = self._begin()
        return self._keep(key, taken._replace(total=rows.count()))

    def _count_by(
        self, question: tuple[object, ...], rows: QuerySet[Any], field: str, keys: Sequence[int]
    ) -> dict[int, int]:
        taken = self._begin()
        of_them = rows.order_by().filter(**{f"{field}__in": keys}).values_list(field)
        found = dict(of_them.annotate(total=Count("*")))
        return {key: self._keep((*question, key), taken._replace(total=found.get(key, 0))) for key in keys}

    def _keep(self, key: object, counted: Counted) -> int:
        if counted.total < LARGE:
            self._counts.pop(key, None)
            return counted.total
        if len(self._counts) >= _COUNTS:
            self._counts.clear()
        self._counts[key] = counted
        return counted.total


def _question(rows: QuerySet[Any]) -> tuple[Hashable, ...]:
    """Raises EmptyResultSet."""
    sql, parameters = rows.order_by().values("pk").query.sql_with_params()
    return rows.db, sql, *(tuple(value) if isinstance(value, list) else value for value in parameters)


_CHANGED = """
    SELECT
        (SELECT COUNT(*) FROM (SELECT id FROM images_image WHERE modified > %s LIMIT %s) AS changed),
        (SELECT COUNT(*) FROM (SELECT moment FROM images_activity ORDER BY id DESC LIMIT %s) AS newest
            WHERE moment > %s)
"""
"""An image that was removed is only in the feed: among the newest of it, since its moments are in no index."""


def _count_changed(since: datetime, most: int) -> int:
    """At least as many as the images that were seen to be added, changed or removed; of many, more than `most`."""
    moment = connection.ops.adapt_datetimefield_value(since - _SETTLED)
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, [moment, most + 1, most + 1, moment])
        return sum(cursor.fetchone())


counts = CountMemo()
"""Of this process."""
