"""Pages of long lists, at a price that does not grow with the list."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.functional import cached_property

from images.models import Image
from images.selectors.counting import LARGE, counts

ENOUGH = 5000
"""Rows of a list that nobody has counted yet: a hundred pages, and soon counted."""


def read_keys(rows: QuerySet[Any], begin: int, end: int, count: int) -> list[Any]:
    """Primary keys of the rows from `begin` to before `end` of `count`, in an order that has no ties.

    Behind the middle of long lists counted from their end: if `count` is old, as they were then, and rows that have
    come since may lie between the two halves.
    """
    keys: Any = rows.values_list("pk", flat=True)
    if count < LARGE or begin < count // 2:
        return list(keys[begin:end])
    return list(keys.reverse()[max(0, count - end) : max(0, count - begin)])[::-1]


class KeysFirstPaginator(Paginator[Any]):
    """Takes the keys of a page from an index alone, then the rows of just those keys, with what they are joined to.

    In one query databases join all rows before the page, too, or sort the whole table. What fits into one page is not
    counted beside; the count of long lists may be some seconds old. Their order has to be that of one row after
    another: without ties.
    """

    _asked = 1

    def validate_number(self, number: Any) -> int:
        with suppress(TypeError, ValueError):
            self._asked = int(number)
        return super().validate_number(number)

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        if self._asked <= 1:  # the first page is read in any case, and shows whether there are others
            found = len(self._first_keys)
            if found <= self.per_page:
                return found
        return self._count(rows)

    def _count(self, rows: QuerySet[Any]) -> int:
        return counts.count(rows)

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


class PublicPaginator(KeysFirstPaginator):
    """For visitors, who do not wait until a long list is counted.

    A count is as good that is some minutes old. A list that was not counted yet has `ENOUGH` rows, and `has_more`,
    unless a page behind these is asked for.
    """

    has_more = False

    def _count(self, rows: QuerySet[Any]) -> int:
        if self._asked * self.per_page > ENOUGH:
            return counts.count(rows, old=True)
        count, self.has_more = counts.count_up_to(rows, ENOUGH)
        return count

    def _far_keys(self, number: int) -> list[Any]:
        if not self.has_more:
            return super()._far_keys(number)
        return self._keys((number - 1) * self.per_page)


def count_images(field: str) -> Coalesce:
    """As an annotation: how many images name the record in this foreign key. Read from its index."""
    images = Image.objects.order_by().filter(**{field: OuterRef("pk")}).values(field)
    counted = images.annotate(total=Count("*")).values("total")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def count_images_of(field: str, keys: Sequence[int]) -> dict[int, int]:
    """The same for each of some records of a list; of many images, how many there were some minutes ago."""
    return counts.count_by(Image.objects.all(), field, keys)
