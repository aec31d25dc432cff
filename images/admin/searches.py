"""Searches of lists in the admin."""

from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split

MOST_WORDS = 32
"""Each is a condition of its own: SQLite takes no more than a thousand, and nobody writes so many."""


class FewWords:
    """For a ModelAdmin: looks for the first words of a search, so that a pasted page is no error of the database."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        words = " ".join(islice(smart_split(search_term), MOST_WORDS))
        return super().get_search_results(request, queryset, words)  # type: ignore[misc,no-any-return]
