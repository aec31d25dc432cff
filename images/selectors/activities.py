"""Reads of the change feed, at a price that does not grow with it.

Activities are only added. So it is remembered how many lie before some of them: the others are counted, and pages
found, from the nearest of these.
"""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Max
from django.utils import timezone

from images.models import Activity
from images.selectors.counting import Later, later

_SETTLED = timedelta(minutes=1)
"""After this no transaction should add an activity with a smaller key; one that does moves pages at the next count."""
_LONG = 1000
"""Activities behind the last milestone that are counted each time."""
_SECONDS = 300.0
_MILESTONES = 2000


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """One page of the feed: `start` counts the activities before it."""

    activities: tuple[Activity, ...]
    total: int
    pages: int
    start: int = 0


class Milestone(NamedTuple):
    """`position` activities have keys below `pk`."""

    position: int
    pk: int


_BEGIN = Milestone(0, 0)


class Milestones:
    """Some activities whose positions are known; after some minutes the last is counted anew, meanwhile they hold.

    `count_before` says how many activities have keys below one. Thread-safe.
    """

    def __init__(
        self,
        count_before: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
        later: Later = later,
    ) -> None:
        self._count_before = count_before
        self._clock = clock
        self._later = later
        self._lock = Lock()
        self._known = [_BEGIN]
        self._until = 0.0

    def last(self) -> Milestone:
        self._look()
        with self._lock:
            return self._known[-1]

    def around(self, position: int) -> tuple[Milestone, Milestone | None]:
        """The last up to a position, and the first behind it."""
        with self._lock:
            index = bisect_right(self._known, position, key=lambda known: known.position)
            return self._known[index - 1], self._known[index] if index < len(self._known) else None

    def add(self, milestone: Milestone) -> None:
        with self._lock:
            index = bisect_right(self._known, milestone.position, key=lambda known: known.position)
            if self._known[index - 1].position == milestone.position:
                return
            if len(self._known) >= _MILESTONES:
                del self._known[1:-1]
                index = 1 if milestone.position < self._known[-1].position else len(self._known)
            if len(self._known) == 1:
                self._until = self._clock() + _SECONDS
            self._known.insert(index, milestone)

    def clear(self) -> None:
        with self._lock:
            self._known = [_BEGIN]

    def _look(self) -> None:
        """Whether it is time to see if they still hold."""
        with self._lock:
            last = self._known[-1]
            is_time = last != _BEGIN and self._clock() >= self._until
        if is_time:
            self._later(self, partial(self._verify, last))

    def _verify(self, last: Milestone) -> None:
        position = self._count_before(last.pk)
        with self._lock:
            self._until = self._clock() + _SECONDS
            if position != last.position and last in self._known:
                self._known = [_BEGIN, Milestone(position, last.pk)]


def _count_before(pk: int) -> int:
    """All at once are counted much sooner than those before one: these are all without the few others."""
    counted = "SELECT COUNT(*) FROM images_activity"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({counted}) - ({counted} WHERE id >= %s)", [pk])
        return int(cursor.fetchone()[0])


_milestones = Milestones(_count_before)


def forget_milestones() -> None:
    _milestones.clear()


def count_activities(per_page: int) -> tuple[int, int]:
    """How many activities there are, and pages of them."""
    total, _last = _extent()
    return total, -(-total // per_page)


def find_activities(number: int, per_page: int) -> ActivityPage | None:
    """A page of the feed, from 1; None where there is no such page. The first is there even when it is empty."""
    total, last = _extent()
    pages = -(-total // per_page)
    if number < 1 or number > max(1, pages):
        return None
    start = (number - 1) * per_page
    first = _key_at(start, Milestone(total, last + 1))
    activities = tuple(Activity.objects.filter(pk__gte=first).order_by("pk")[: min(per_page, total - start)])
    if activities and activities[0].moment < timezone.now() - _SETTLED:
        _milestones.add(Milestone(start, activities[0].pk))
    return ActivityPage(activities, total, pages, start)


def _extent() -> tuple[int, int]:
    """How many activities there are, and the key of the last one, of the same moment."""
    since = _milestones.last()
    if since == _BEGIN:
        since = _advance(since)
    found = Activity.objects.filter(pk__gte=since.pk).aggregate(count=Count("*"), last=Max("pk"))
    if since.pk and not found["count"]:  # another database lies in the place of that which was counted
        forget_milestones()
        return _extent()
    if found["count"] > _LONG:
        _advance(since)
    return since.position + found["count"], found["last"] or 0


def _advance(since: Milestone) -> Milestone:
    """Remember the position of the last activity that none can come before any more."""
    rows = Activity.objects.filter(pk__gte=since.pk)
    settled = rows.filter(moment__lt=timezone.now() - _SETTLED).order_by("-pk").values_list("pk", flat=True).first()
    if settled is None:
        return since
    position = since.position + rows.filter(pk__lt=settled).count() if since.pk else _count_before(settled)
    milestone = Milestone(position, settled)
    _milestones.add(milestone)
    return milestone


def _key_at(position: int, end: Milestone) -> int:
    """The key of the activity with so many before it."""
    before, after = _milestones.around(position)
    after = after or end
    steps, steps_back = position - before.position, after.position - position
    keys = Activity.objects.values_list("pk", flat=True)
    if steps == 0:
        return before.pk
    if steps <= steps_back:
        found = keys.filter(pk__gte=before.pk).order_by("pk")[steps : steps + 1]
    else:
        found = keys.filter(pk__lt=after.pk).order_by("-pk")[steps_back - 1 : steps_back]
    return next(iter(found), end.pk)
