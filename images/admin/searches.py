"""Searches of lists in the admin."""

from typing import Any

from django import forms
from django.contrib.admin.views.main import SEARCH_VAR, ChangeListSearchForm

MOST_CHARACTERS = 500
"""As in REST. Each word is a condition of its own, and SQLite takes no more than a thousand."""


class ShortSearchForm(ChangeListSearchForm):
    """Says of a pasted page that it is too long, and lists all; the database would refuse it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEARCH_VAR] = forms.CharField(required=False, strip=False, max_length=MOST_CHARACTERS)
