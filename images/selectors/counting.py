"""How long lists are: of long ones remembered for some seconds, since that is what a page of them costs most."""

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connections
from django.db.models import Count, QuerySet

from caching.background import BackgroundQueue

logger = logging.getLogger(__name__)

LARGE = 2000
"""Rows from which on a count is remembered: nobody counts along."""
_SECONDS = 10.0
_OLD_SECONDS = 300.0
"""For so long visitors have a count that is counted anew meanwhile."""
_COUNTS = 256
_WAITING = 64

_queue = BackgroundQueue("counts", _WAITING)


Later = Callable[[Hashable, Callable[[], object]], object]


def later(key: Hashable, job: Callable[[], object]) -> bool:
    """Have something counted that no page waits for, unless that is being done; False where too much is waiting."""
    return _queue.submit_once(key, lambda: _work(job))


def _work(job: Callable[[], object]) -> None:
    try:
        job()
    except DatabaseError as error:
        logger.warning("a list cannot be counted: %s", error)
    finally:
        connections.close_all()  # of this thread


class CountMemo:
    """Remembers how many rows a long list has, for some seconds; asked for an old count, for some minutes.

    What is asked for again within these is counted in the background. Thread-safe.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, later: Later = later) -> None:
        self._clock = clock
        self._later = later
        self._counts: dict[object, tuple[float, int]] = {}

    def count(self, rows: QuerySet[Any], *, old: bool = False) -> int:
        """`old`: one is as good that was counted within the last five minutes."""
        try:
            key = _question(rows)
        except EmptyResultSet:
            return 0
        age, count = self._find(key)
        if age >= (_OLD_SECONDS if old else _SECONDS):
            return self._count(key, rows)
        if age >= _SECONDS:
            self._later(key, partial(self._count, key, rows.all()))
        return count

    def count_by(self, rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
        """How many rows name each of the records in this foreign key; old ones are as good."""
        question = (field, *_question(rows))
        found = {key: self._find((*question, key)) for key in keys}
        counts = {key: count for key, (_age, count) in found.items()}
        unknown = [key for key, (age, _count) in found.items() if age >= _OLD_SECONDS]
        aged = tuple(key for key, (age, _count) in found.items() if _SECONDS <= age < _OLD_SECONDS)
        if unknown:
            counts |= self._count_by(question, rows, field, unknown)
        if aged:
            self._later((question, aged), partial(self._count_by, question, rows.all(), field, aged))
        return counts

    def clear(self) -> None:
        self._counts.clear()

    def _find(self, key: object) -> tuple[float, int]:
        """Its age in seconds, and the count."""
        counted, count = self._counts.get(key, (float("-inf"), 0))
        return self._clock() - counted, count

    def _count(self, key: object, rows: QuerySet[Any]) -> int:
        now = self._clock()
        return self._keep(key, rows.count(), now)

    def _count_by(
        self, question: tuple[object, ...], rows: QuerySet[Any], field: str, keys: Sequence[int]
    ) -> dict[int, int]:
        now = self._clock()
        of_them = rows.order_by().filter(**{f"{field}__in": keys}).values_list(field)
        found = dict(of_them.annotate(total=Count("*")))
        return {key: self._keep((*question, key), found.get(key, 0), now) for key in keys}

    def _keep(self, key: object, count: int, counted: float) -> int:
        if count < LARGE:
            self._counts.pop(key, None)
            return count
        if len(self._counts) >= _COUNTS:
            self._counts.clear()
        self._counts[key] = (counted, count)
        return count


def _question(rows: QuerySet[Any]) -> tuple[object, ...]:
    """Raises EmptyResultSet."""
    sql, parameters = rows.order_by().values("pk").query.sql_with_params()
    return rows.db, sql, *(tuple(value) if isinstance(value, list) else value for value in parameters)


_memo = CountMemo()


def forget_counts() -> None:
    _memo.clear()


def count_long(rows: QuerySet[Any], *, old: bool = False) -> int:
    """How many there are; of many, how many there were some seconds ago, or with `old` up to five minutes."""
    return _memo.count(rows, old=old)


def count_by(rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
    """How many rows name each of the records in this foreign key; of many, how many did up to five minutes ago."""
    return _memo.count_by(rows, field, keys)
