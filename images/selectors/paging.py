"""Pages of long lists, at a price that does not grow with the list."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Page, Paginator
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

from images.models import Image

_LARGE = 2000
_COUNTS_SECONDS = 10.0
_COUNTS = 256


class CountMemo:
    """Remembers how long a list is, for some seconds, where it is so long that nobody counts along. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[object, tuple[float, int]] = {}

    def count(self, rows: QuerySet[Any]) -> int:
        try:
            key = _question(rows)
        except EmptyResultSet:
            return 0
        until, count = self._counts.get(key, (0.0, 0))
        if self._clock() < until:
            return count
        count = rows.count()
        self._keep(key, count)
        return count

    def count_by(self, rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
        """How many rows name each of the records in this foreign key."""
        name = (field, *_question(rows))
        now = self._clock()
        kept = {key: self._counts.get((*name, key), (0.0, 0)) for key in keys}
        counts = {key: count if now < until else 0 for key, (until, count) in kept.items()}
        asked = [key for key, (until, _count) in kept.items() if now >= until]
        if asked:
            of_them = rows.order_by().filter(**{f"{field}__in": asked}).values_list(field)
            for key, count in of_them.annotate(total=Count("*")):
                counts[key] = count
                self._keep((*name, key), count)
        return counts

    def clear(self) -> None:
        self._counts.clear()

    def _keep(self, key: object, count: int) -> None:
        if count >= _LARGE:
            if len(self._counts) >= _COUNTS:
                self._counts.clear()
            self._counts[key] = (self._clock() + _COUNTS_SECONDS, count)


def _question(rows: QuerySet[Any]) -> tuple[object, ...]:
    """Raises EmptyResultSet."""
    sql, parameters = rows.order_by().values("pk").query.sql_with_params()
    return rows.db, sql, *(tuple(value) if isinstance(value, list) else value for value in parameters)


_memo = CountMemo()


def forget_counts() -> None:
    _memo.clear()


def count_long(rows: QuerySet[Any]) -> int:
    """How many there are; of many, how many there were some seconds ago."""
    return _memo.count(rows)


def count_by(rows: QuerySet[Any], field: str, keys: Sequence[int]) -> dict[int, int]:
    """How many rows name each of the records in this foreign key; of many, how many did some seconds ago."""
    return _memo.count_by(rows, field, keys)


def read_keys(rows: QuerySet[Any], begin: int, end: int, count: int) -> list[Any]:
    """Primary keys of the rows from `begin` to before `end` of `count`, in an order that has no ties.

    Behind the middle of long lists counted from their end: if `count` is some seconds old, as they were then.
    """
    keys: Any = rows.values_list("pk", flat=True)
    if count < _LARGE or begin < count // 2:
        return list(keys[begin:end])
    return list(keys.reverse()[max(0, count - end) : max(0, count - begin)])[::-1]


class KeysFirstPaginator(Paginator[Any]):
    """Takes the keys of a page from an index alone, then the rows of just those keys, with what they are joined to.

    In one query databases join all rows before the page, too, or sort the whole table. What fits into one page is not
    counted beside; the count of very long lists may be some seconds old. Their order has to be that of one row after
    another: without ties.
    """

    @cached_property
    def count(self) -> int:
        if not isinstance(self.object_list, QuerySet):
            return len(self.object_list)
        found = len(self._first_keys)
        return found if found <= self.per_page else _memo.count(self.object_list)

    def page(self, number: Any) -> Page[Any]:
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return super().page(number)
        number = self.validate_number(number)
        keys = self._first_keys[: self.per_page] if number == 1 else self._far_keys(number)
        return Page(rows.filter(pk__in=keys), number, self)

    @cached_property
    def _first_keys(self) -> list[Any]:
        """Of the first page, and one more if there is one."""
        return self._keys(0, more=1)

    def _far_keys(self, number: int) -> list[Any]:
        begin = (number - 1) * self.per_page
        return read_keys(self.object_list, begin, begin + self.per_page, self.count)  # type: ignore[arg-type]

    def _keys(self, begin: int, more: int = 0) -> list[Any]:
        keys: Any = self.object_list
        return list(keys.values_list("pk", flat=True)[begin : begin + self.per_page + more])


def count_images(field: str) -> Coalesce:
    """As an annotation: how many images name the record in this foreign key. Read from its index."""
    images = Image.objects.order_by().filter(**{field: OuterRef("pk")}).values(field)
    counted = images.annotate(total=Count("*")).values("total")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
