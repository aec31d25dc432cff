"""The record of an image with all that an answer hangs on: in one query, and a quick one: tiles wait for it."""

from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.db.models.base import DEFERRED

from images.models import Collection, Image, Profile, ServiceCopy, Store, Tiling
from images.selectors.prepared import PreparedQuery
from images.selectors.profiles import default_profile_as_json, find_effective_profile

_RELATED: dict[str, type[Image | Tiling | Store | Collection | Profile | ServiceCopy]] = {
    "": Image,
    "tiling": Tiling,
    "tiling__store": Store,
    "store": Store,
    "collection": Collection,
    "collection__profile": Profile,
    "profile": Profile,
    "service_copy": ServiceCopy,
}
_OWN = ("tiling", "store", "collection", "profile", "service_copy")
_LARGE = frozenset({"tiling__index", "service_copy__index"})
"""Read by themselves, when they are needed."""


def read_record(identifier: str) -> Image | None:
    """With its relations; its `profile` is the one that holds for it, be it that of another. Raises DatabaseError."""
    found = _query.find(identifier)
    if found is None:
        return None
    values = iter(found)
    records = {path: reader.read(values) for path, reader in _readers.items()}
    image: Any = records[""]
    if records["collection"] is not None:
        _relate(records["collection"], profile=records["collection__profile"])
    if records["tiling"] is not None:
        _relate(records["tiling"], store=records["tiling__store"])
    _relate(image, **{name: records[name] for name in _OWN})
    _relate(image, profile=find_effective_profile(image, next(values)))
    return image  # type: ignore[no-any-return]


def _relate(record: Any, **related: Any) -> None:
    """What is None there is none of: nobody asks the database for it."""
    record._state.fields_cache.update(related)  # noqa: SLF001 - as Django's select_related does


def _fields(path: str) -> list[str]:
    return [field.attname for field in _RELATED[path]._meta.concrete_fields]  # noqa: SLF001 - documented


def _names(path: str) -> list[str]:
    """Of the fields of a relation, in the order of its model."""
    prefix = f"{path}__" if path else ""
    return [f"{prefix}{name}" for name in _fields(path)]


def _rows(identifier: str) -> QuerySet[Image, Any]:
    names = [name for path in _RELATED for name in _names(path) if name not in _LARGE]
    images = Image.objects.annotate(default_profile=default_profile_as_json()).order_by()
    return images.filter(identifier=identifier).values_list(*names, "default_profile")


class _Reader:
    """Makes the record of one relation of the values of its columns."""

    def __init__(self, path: str) -> None:
        self._model = _RELATED[path]
        self._fields = _fields(path)
        self._is_read = [name not in _LARGE for name in _names(path)]
        self._key = self._fields.index("id")

    def read(self, values: Iterator[Any]) -> Any:
        """None where there is none; its values are taken whether or not."""
        own = [next(values) if is_read else DEFERRED for is_read in self._is_read]
        return None if own[self._key] is None else self._model.from_db(DEFAULT_DB_ALIAS, self._fields, own)


_query = PreparedQuery(Image, _rows)
_readers = {path: _Reader(path) for path in _RELATED}
