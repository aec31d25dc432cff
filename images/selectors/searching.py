"""Looking for parts of words in images, with the indexes that images.services.search_index makes: ADR 0022.

What is found is what `icontains` finds. PostgreSQL takes its trigram index for that by itself. SQLite is asked first
for the rows in which the trigrams of the text occur: few of them are looked at one by one; of many a page is soon full
when the list is read in its order.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet

from images.models import Image

SEARCH_TABLE = "images_image_parts"
INDEXED = ("identifier", "label", "key", "url", "metadata")
TRIGGERS = tuple(f"{SEARCH_TABLE}_{event}" for event in ("insert", "delete", "update"))
PUBLIC = ("identifier", "label")

_FEW = 1000
"""Rows that are named one by one in a query."""
_TRIGRAM = 3
_LONGEST = 64
"""Characters that are looked up: what begins otherwise is not found, and longer ones only cost."""
_known: dict[str, bool] = {}


def search_images(images: QuerySet[Image], text: str, fields: Sequence[str] = PUBLIC) -> QuerySet[Image]:
    """Those with the text in one of the fields, in upper or lower case."""
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    return narrow_images(images, text, fields).filter(found)


def narrow_images(images: QuerySet[Image], text: str, fields: Sequence[str], few: int = _FEW) -> QuerySet[Image]:
    """Without some that have the text in none of the fields; with all that have it."""
    connection = connections[images.db]
    if len(text) < _TRIGRAM or "\x00" in text or connection.vendor != "sqlite" or not has_search_index(connection):
        return images
    phrase = text[:_LONGEST].replace('"', '""')
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT rowid FROM {SEARCH_TABLE} WHERE {SEARCH_TABLE} MATCH %s LIMIT {few + 1}",  # noqa: S608 - own names
            [f'{{{" ".join(fields)}}} : "{phrase}"'],
        )
        keys = [row[0] for row in cursor.fetchall()]
    return images if len(keys) > few else images.filter(pk__in=keys)


def has_search_index(connection: BaseDatabaseWrapper) -> bool:
    """Whether SQLite has it, with the triggers that keep it; asked once in a process."""
    known = _known.get(connection.alias)
    if known is None:
        names: list[Any] = [SEARCH_TABLE, *TRIGGERS]
        marks = ", ".join(["%s"] * len(names))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM sqlite_master WHERE name IN ({marks})", names)  # noqa: S608 - marks
            known = _known[connection.alias] = cursor.fetchone()[0] == len(names)
    return known


def forget_search_index() -> None:
    _known.clear()
