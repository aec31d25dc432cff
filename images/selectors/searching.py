"""Looking for parts of words in images, with the indexes that images.services.search_index makes: ADR 0022.

What is found is what `icontains` finds. PostgreSQL takes its trigram index for that by itself, and is asked first for
the rows alone; SQLite, for those in which the trigrams of the text occur. Only these are looked at then; of very many
a page is soon full when the list is read in its order, unless all of them lie far behind its beginning.
"""

import time
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Count, ExpressionWrapper, Q, QuerySet
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
_FIRST = 2000
"""Rows at the beginning of a list among which a page of those with the text has to be for it to be read in order."""
_PAGE = 50
_ASIDE = RawSQL('"images_image"."id" + 0 = "images_image"."id"', (), output_field=BooleanField())
"""True, which PostgreSQL expects of one row in 200: it takes the rows from the index of parts then, and sorts them."""
_known: dict[str, bool] = {}
_KEPT_SECONDS = 60.0
_KEPT = 256


class _Kept:
    """Answers that nobody asks for again within a minute: when they are wrong by then, it only takes longer."""

    def __init__(self) -> None:
        self._answers: dict[object, tuple[float, bool]] = {}

    def get(self, question: object) -> bool | None:
        until, answer = self._answers.get(question, (0.0, False))
        return answer if time.monotonic() < until else None

    def put(self, question: object, *, answer: bool) -> bool:
        if len(self._answers) >= _KEPT:
            self.clear()
        self._answers[question] = (time.monotonic() + _KEPT_SECONDS, answer)
        return answer

    def clear(self) -> None:
        self._answers.clear()


_many = _Kept()
"""Whether very many images have a text; remembered only if they do."""
_soon = _Kept()
"""Whether some at the beginning of a list have it."""


def search_images(images: QuerySet[Image], text: str, fields: Sequence[str] = PUBLIC) -> QuerySet[Image]:
    """Those with the text in one of the fields, in upper or lower case."""
    return narrow_images(images, text, fields).filter(_has(text, fields))


def narrow_images(images: QuerySet[Image], text: str, fields: Sequence[str], few: int = _FEW) -> QuerySet[Image]:
    """Without some that have the text in none of the fields; with all that have it."""
    connection = connections[images.db]
    if len(text) < _TRIGRAM or "\x00" in text:
        return images
    asked = (images.db, text, *fields, few, _SOME)
    if not _many.get(asked):
        if connection.vendor == "postgresql" and _TRIGRAMS.issuperset(fields):
            narrowed = _narrow_postgresql(images, text, fields)
        elif connection.vendor == "sqlite" and has_search_index(connection):
            narrowed = _narrow_sqlite(images, text, fields, few)
        else:
            return images
        if narrowed is not images:
            return narrowed
        _many.put(asked, answer=True)
    if connection.vendor != "postgresql" or not images.ordered or _begins_with_some(images, text, fields):
        return images
    return images.filter(_ASIDE)


def _begins_with_some(images: QuerySet[Image], text: str, fields: Sequence[str]) -> bool:
    """Whether a page of the list is soon full of those that have the text, or it is not read in order anyway."""
    try:
        question = repr(images.values("pk").query.sql_with_params())
    except EmptyResultSet:
        return True
    if str(_ASIDE.sql) in question:  # because of another word
        return True
    asked = (images.db, text, *fields, question)
    known = _soon.get(asked)
    if known is not None:
        return known
    looked_at = images.annotate(has_text=ExpressionWrapper(_has(text, fields), BooleanField()))[:_FIRST]
    rows = looked_at.aggregate(all=Count("pk"), found=Count("pk", filter=Q(has_text=True)))
    return _soon.put(asked, answer=rows["all"] < _FIRST or rows["found"] >= _PAGE)


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
    _soon.clear()
