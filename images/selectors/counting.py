"""How long lists are: of long ones remembered for some seconds, since that is what a page of them costs most."""

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connections
from django.db.models import Count, QuerySet
from django.utils import timezone

from caching.background import BackgroundQueue
from images.models import Activity, Image

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

LARGE = 2000
"""Rows from which on a count is remembered: nobody counts along."""
_SECONDS = 10.0
_OLD_SECONDS = 300.0
"""For so long visitors have a count that is counted anew meanwhile; longer if little has changed since."""
_LITTLE = 100
"""Changed records are little for a count of so many times as many."""
_SETTLED = timedelta(minutes=1)
"""So long before a count transactions may have begun that it did not see, and other machines' clocks be wrong."""
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
    """Remembers how many rows a long list has, for some seconds; of images asked for an old count, for longer.

    What is asked for again within that time is counted in the background. Thread-safe.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        later: Later = later,
        count_changed: Callable[[float, int], int] | None = None,
    ) -> None:
        self._clock = clock
        self._later = later
        self._count_changed = count_changed or _count_changed
        self._counts: dict[object, tuple[float, int]] = {}

    def known(self, rows: QuerySet[Any], *, old: bool = False) -> int | None:
        """None where it has to be counted.

        `old`, of images: one is as good that was counted within five minutes, or since which little has changed.
        """
        try:
            key = _question(rows)
        except EmptyResultSet:
            return 0
        age, count = found = self._find(key)
        if not self._good({key: found}, _OLD_SECONDS if old else _SECONDS, longer=old):
            return None
        if age >= _SECONDS:
            self._later(key, partial(self._count, key, rows.all()))
        return count

    def count(self, rows: QuerySet[Any], *, old: bool = False) -> int:
        """What is known, or else counted."""
        known = self.known(rows, old=old)
        return self._count(_question(rows), rows) if known is None else known

    def count_by(self, rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
        """How many images name each of the records in this foreign key; old counts are as good."""
        question = (field, *_question(rows))
        found = {key: self._find((*question, key)) for key in keys}
        good = self._good(found, _OLD_SECONDS, longer=True)
        counts = {key: found[key][1] for key in good}
        aged = tuple(key for key in good if found[key][0] >= _SECONDS)
        if len(good) < len(found):
            counts |= self._count_by(question, rows, field, [key for key in found if key not in counts])
        if aged:
            self._later((question, aged), partial(self._count_by, question, rows.all(), field, aged))
        return counts

    def clear(self) -> None:
        self._counts.clear()

    def _good(self, found: Mapping[K, tuple[float, int]], seconds: float, *, longer: bool) -> list[K]:
        """Which of the ages and counts are not too old; with `longer` also those since which little has changed."""
        aged = {key: each for key, each in found.items() if each[0] >= seconds and each[1]}
        changed = 0
        if aged and longer:
            most = max(count for _age, count in aged.values()) // _LITTLE
            changed = self._count_changed(max(age for age, _count in aged.values()), most)
        return [
            key
            for key, (age, count) in found.items()
            if age < seconds or (longer and key in aged and changed <= count // _LITTLE)
        ]

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


def _count_changed(seconds: float, most: int) -> int:
    """How many images were added, changed or removed in the last seconds; of more than `most`, one more."""
    since = timezone.now() - timedelta(seconds=seconds) - _SETTLED
    changed = Image.objects.filter(modified__gt=since).order_by()[: most + 1].count()
    if changed > most:
        return changed
    # An image that was removed is only in the feed: among the newest of it, since its moments are in no index.
    newest = Activity.objects.order_by("-pk").values("pk")[: most + 1 - changed]
    return changed + Activity.objects.filter(pk__in=newest, moment__gt=since).count()


_memo = CountMemo()


def forget_counts() -> None:
    _memo.clear()


def count_long(rows: QuerySet[Any], *, old: bool = False) -> int:
    """How many there are; of many, how many there were some seconds ago, or with `old` some minutes."""
    return _memo.count(rows, old=old)


def known_count(rows: QuerySet[Any], *, old: bool = False) -> int | None:
    """The same, or None where they have to be counted."""
    return _memo.known(rows, old=old)


def count_by(rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
    """How many images name each of the records in this foreign key; of many, how many did some minutes ago."""
    return _memo.count_by(rows, field, keys)
