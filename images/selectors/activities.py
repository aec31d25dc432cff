"""Reads of the change feed."""

from dataclasses import dataclass

from images.models import Activity


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """One page of the feed: `start` counts the activities before it."""

    activities: tuple[Activity, ...]
    total: int
    pages: int
    start: int = 0


def count_activities(per_page: int) -> tuple[int, int]:
    """How many activities there are, and pages of them."""
    total = Activity.objects.count()
    return total, -(-total // per_page)


def find_activities(number: int, per_page: int) -> ActivityPage | None:
    """A page of the feed, from 1; None where there is no such page. The first is there even when it is empty."""
    total, pages = count_activities(per_page)
    if number < 1 or number > max(1, pages):
        return None
    start = (number - 1) * per_page
    activities = Activity.objects.order_by("pk")[start : start + per_page]
    return ActivityPage(tuple(activities), total, pages, start)
