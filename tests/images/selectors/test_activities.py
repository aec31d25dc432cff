"""Pages of the change feed hold each activity once, and far ones are read from where something is known."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images.models import Activity, ActivityKind
from images.selectors import activities
from images.selectors.activities import Milestone, Milestones, count_activities, find_activities

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

LONG_AGO = timedelta(days=1)
LENGTH = 10


def _fill(count: int, age: timedelta = LONG_AGO, first: int | None = None) -> list[int]:
    rows = Activity.objects.bulk_create(
        Activity(pk=None if first is None else first + each, kind=ActivityKind.CREATE, identifier="x", uuid=uuid4())
        for each in range(count)
    )
    keys = [row.pk for row in rows]
    Activity.objects.filter(pk__in=keys).update(moment=timezone.now() - age)
    return keys


def _pages(numbers: list[int]) -> list[list[int]]:
    found = [find_activities(number, LENGTH) for number in numbers]
    return [[row.pk for row in page.activities] for page in found if page is not None]


@pytest.mark.parametrize("order", ["forward", "backward", "middle first"])
@pytest.mark.parametrize("age", [LONG_AGO, timedelta(0)], ids=["settled", "new"])
def test_pages_hold_each_activity_once_in_whatever_order_they_are_read(order: str, age: timedelta) -> None:
    keys = _fill(42, age)
    Activity.objects.filter(pk=keys.pop(20)).delete()  # keys have gaps on PostgreSQL
    expected = [keys[begin : begin + LENGTH] for begin in range(0, 41, LENGTH)]
    numbers = {"forward": [1, 2, 3, 4, 5], "backward": [5, 4, 3, 2, 1], "middle first": [3, 5, 1, 2, 4]}[order]
    for _round in range(2):
        assert _pages(numbers) == [expected[number - 1] for number in numbers]
    assert find_activities(6, LENGTH) is None
    assert count_activities(LENGTH) == (41, 5)


def test_what_is_added_is_told_at_once() -> None:
    keys = _fill(20)
    assert (count_activities(LENGTH), find_activities(3, LENGTH)) == ((20, 2), None)
    _pages([1, 2])
    keys += _fill(5, timedelta(0))
    assert count_activities(LENGTH) == (25, 3)
    before = find_activities(2, LENGTH)
    assert before is not None
    assert (before.total, before.pages, before.start) == (25, 3, 10)
    assert _pages([3, 2, 1]) == [keys[20:], keys[10:20], keys[:10]]


def test_what_a_slow_transaction_adds_between_new_ones_shifts_their_pages() -> None:
    keys = _fill(30, timedelta(0))
    late = keys.pop(4)
    Activity.objects.filter(pk=late).delete()
    assert _pages([1, 2, 3]) == [keys[:10], keys[10:20], keys[20:]]
    _fill(1, timedelta(0), first=late)
    keys.insert(4, late)
    assert _pages([3, 2, 1]) == [keys[20:], keys[10:20], keys[:10]]
    assert count_activities(LENGTH) == (30, 3)


def test_another_database_in_its_place_is_counted_anew() -> None:
    _fill(30)
    assert count_activities(LENGTH) == (30, 3)
    Activity.objects.all().delete()
    assert count_activities(LENGTH) == (0, 0)
    keys = _fill(3, first=1)
    assert _pages([1]) == [keys]


def test_a_page_seen_before_is_found_without_its_predecessors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities, "_LONG", 15)
    keys = _fill(100)
    _pages([7])
    keys += _fill(20)
    _pages([12])  # remembers the end anew: what lies behind the last milestone has become long
    for number in (7, 12):
        with CaptureQueriesContext(connection) as captured:
            assert _pages([number]) == [keys[(number - 1) * LENGTH : number * LENGTH]]
        statements = [query["sql"] for query in captured.captured_queries]
        assert len(statements) == 2
        assert not [statement for statement in statements if "OFFSET" in statement]
        counted_from = re.search(r"COUNT\(\*\).* >= \(?(\d+)", statements[0])
        assert counted_from is not None
        assert int(counted_from[1]) >= keys[110]


def test_neighbours_of_a_page_seen_before_are_one_page_away() -> None:
    keys = _fill(100)
    _pages([5])
    for number in (6, 4):
        with CaptureQueriesContext(connection) as captured:
            assert _pages([number]) == [keys[(number - 1) * LENGTH : number * LENGTH]]
        steps = [
            int(found) for query in captured.captured_queries for found in re.findall(r"OFFSET (\d+)", query["sql"])
        ]
        assert steps
        assert max(steps) <= LENGTH


def test_milestones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities, "_MILESTONES", 5)
    known = Milestones(lambda pk: pk - 1)
    for position in (50, 10, 30, 30, 40):
        known.add(Milestone(position, position + 1))
    assert known.around(35) == (Milestone(30, 31), Milestone(40, 41))
    assert known.around(50) == (Milestone(50, 51), None)
    known.add(Milestone(20, 21))
    assert known.around(35) == (Milestone(20, 21), Milestone(50, 51))
    known.add(Milestone(60, 61))
    assert known.last() == Milestone(60, 61)


def test_milestones_hold_while_the_last_is_counted_anew() -> None:
    now, late, jobs = [100.0], [0], dict[object, Callable[[], object]]()
    known = Milestones(lambda pk: pk - 1 + late[0], lambda: now[0], jobs.setdefault)
    known.add(Milestone(20, 21))
    known.add(Milestone(60, 61))
    now[0] += 299
    assert known.last() == Milestone(60, 61)
    assert not jobs
    now[0] += 2
    assert [known.last(), known.last()] == [Milestone(60, 61)] * 2
    assert len(jobs) == 1
    jobs.popitem()[1]()
    assert known.last() == Milestone(60, 61)
    assert known.around(30) == (Milestone(20, 21), Milestone(60, 61))
    assert not jobs  # all is as it was: for as long again
    now[0] += 301
    late[0] = 1  # somebody's transaction took longer than anyone expects
    assert known.last() == Milestone(60, 61)
    jobs.popitem()[1]()
    assert known.last() == Milestone(61, 61)
    assert known.around(30) == (Milestone(0, 0), Milestone(61, 61))
