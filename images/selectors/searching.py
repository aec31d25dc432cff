"""Looking for parts of words in images, with the indexes that images.services.search_index makes: ADR 0022.

What is found is what `icontains` finds. PostgreSQL takes its trigram index for that by itself, and is asked first for
the rows alone; SQLite, for those in which the trigrams of the text occur. Only these are looked at then; of very many
a page is soon full when the list is read in its order.
"""

import time
from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from images.models import Image

SEARCH_TABLE = "images_image_parts"
INDEXED = ("identifier", "label", "key", "url", "metadata")
TRIGGERS = tuple(f"{SEARCH_TABLE}_{event}" for event in ("insert", "delete", "update"))
PUBLIC = ("identifier", "label")
_TRIGRAMS = frozenset(INDEXED) - {"metadata"}
"""What PostgreSQL's index of parts has."""

_FEW = 1000
"""Rows that are named one by one in a query."""
_SOME = 3000
"""Rows that are looked for within the query; of more, some are soon met when the list is read in its order."""
_TRIGRAM = 3
_LONGEST = 64
"""Characters that are looked up: what begins otherwise is not found, and longer ones only cost."""
_known: dict[str, bool] = {}
_MANY_SECONDS = 60.0
_MANY = 256
_many: dict[object, float] = {}
"""Texts that very many images have, and until when nobody asks again. If they are few by then, it only takes longer."""


def search_images(images: QuerySet[Image], text: str, fields: Sequence[str] = PUBLIC) -> QuerySet[Image]:
    """Those with the text in one of the fields, in upper or lower case."""
    return narrow_images(images, text, fields).filter(_has(text, fields))


def narrow_images(images: QuerySet[Image], text: str, fields: Sequence[str], few: int = _FEW) -> QuerySet[Image]:
    """Without some that have the text in none of the fields; with all that have it."""
    connection = connections[images.db]
    if len(text) < _TRIGRAM or "\x00" in text:
        return images
    asked = (images.db, text, *fields, few, _SOME)
    if time.monotonic() < _many.get(asked, 0.0):
        return images
    if connection.vendor == "postgresql" and _TRIGRAMS.issuperset(fields):
        narrowed = _narrow_postgresql(images, text, fields)
    elif connection.vendor == "sqlite" and has_search_index(connection):
        narrowed = _narrow_sqlite(images, text, fields, few)
    else:
        return images
    if narrowed is images:
        if len(_many) >= _MANY:
            _many.clear()
        _many[asked] = time.monotonic() + _MANY_SECONDS
    return narrowed


def _has(text: str, fields: Sequence[str]) -> Q:
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": text})
    return found


def _narrow_postgresql(images: QuerySet[Image], text: str, fields: Sequence[str]) -> QuerySet[Image]:
    """Else it may read a list in its order until the page is full, however few there are and wherever they lie."""
    found = Image.objects.using(images.db).filter(_has(text, fields)).order_by().values_list("pk", flat=True)
    keys = list(found[: _SOME + 1])
    if len(keys) > _SOME:
        return images
    return images.filter(RawSQL('"images_image"."id" = ANY(%s)', [keys], output_field=BooleanField()))


def _narrow_sqlite(images: QuerySet[Image], text: str, fields: Sequence[str], few: int) -> QuerySet[Image]:
    phrase = text[:_LONGEST].replace('"', '""')
    found = f"SELECT rowid FROM {SEARCH_TABLE} WHERE {SEARCH_TABLE} MATCH %s"  # noqa: S608 - own names
    parameters = [f'{{{" ".join(fields)}}} : "{phrase}"']
    with connections[images.db].cursor() as cursor:
        cursor.execute(f"{found} LIMIT {max(few, _SOME) + 1}", parameters)
        keys = [row[0] for row in cursor.fetchall()]
    if len(keys) <= few:
        return images.filter(pk__in=keys)
    if len(keys) > _SOME:
        return images
    among = RawSQL(f'"images_image"."id" IN ({found})', parameters, output_field=BooleanField())  # noqa: S611 - own names
    return images.filter(among)


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
    forget_searches()


def forget_searches() -> None:
    _many.clear()
