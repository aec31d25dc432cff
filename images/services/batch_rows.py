"""Checking the rows of a batch: all of them, with few queries, before anything is written.

What is wrong is said in the language of the request, which is English to programs.
"""

from collections.abc import Collection as SetOf
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from images.models import Collection, Image, Profile, Store
from images.services.batch_tables import RawRow
from images.sources.errors import SourceNotAllowedError
from images.sources.location import key_segments

_FIELDS = ("label", "rights", "attribution", "metadata")
_KNOWN = frozenset({*_FIELDS, "identifier", "source", "store", "collection"})
_LOOKED_UP = ("store", "collection")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class RowError:
    row: int
    identifier: str
    field: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that may be registered: `store`, `collection` are primary keys or None."""

    number: int
    identifier: str
    store: int | None
    key: str
    url: str
    collection: int | None
    fields: Mapping[str, Any]

    @property
    def source(self) -> tuple[int | None, str, str]:
        return self.store, self.key, self.url


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a row means that doesn't say; a profile for all; and which collections may be used, None for all.

    All by name, but `allowed` by primary key.
    """

    store: str = ""
    collection: str = ""
    allowed: frozenset[int] | None = None
    profile: str = ""


@dataclass(slots=True)
class Checked:
    """`rows` are complete only where there are no `errors`."""

    rows: list[Row] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    unchanged: int = 0
    moved: int = 0

    @property
    def new(self) -> int:
        return len(self.rows) - self.unchanged - self.moved


def rows_check(raw: Sequence[RawRow], defaults: Defaults, visible: QuerySet[Image], *, replaces: bool) -> Checked:
    """All rows and all that is wrong with them. `visible`: the images that the caller may know of."""
    checker = _Checker(defaults)
    checked = Checked()
    first: dict[str, int] = {}
    for one in raw:
        row = checker.check(one, checked.errors)
        if row is None:
            continue
        if row.identifier in first:
            detail = _("Row %(row)s has the same identifier.") % {"row": first[row.identifier]}
            checked.errors.append(RowError(row.number, row.identifier, "identifier", "duplicate", detail))
            continue
        first[row.identifier] = row.number
        checked.rows.append(row)
    _compare(checked, visible, replaces=replaces)
    checked.errors.sort(key=lambda error: error.row)
    return checked


class _Checker:
    """One row after the other; the names of stores and collections were read before."""

    def __init__(self, defaults: Defaults) -> None:
        self.defaults = defaults
        collections = Collection.objects.all()
        if defaults.allowed is not None:
            collections = collections.filter(pk__in=defaults.allowed)
        self.collections = dict(collections.values_list("name", "pk"))
        self.stores = dict(Store.objects.values_list("name", "pk"))
        self.profiles = dict(Profile.objects.values_list("name", "pk"))

    def check(self, raw: RawRow, errors: list[RowError]) -> Row | None:
        """The row; None where something is wrong with it, which is added to `errors`."""
        values = raw.values
        identifier = values.get("identifier")
        found = [
            RowError(raw.number, identifier if isinstance(identifier, str) else "", name, code, detail)
            for name, code, detail in self._problems(values)
        ]
        errors += found
        if found:
            return None
        source = self._source(values)
        collection = values.get("collection") or self.defaults.collection
        return Row(
            raw.number,
            str(identifier),
            self.stores[source["store"]] if "store" in source else None,
            source.get("key", ""),
            source.get("url", ""),
            self.collections[collection] if collection else None,
            self._profile() | {name: values[name] for name in _FIELDS if values.get(name)},
        )

    def _profile(self) -> dict[str, Any]:
        return {"profile_id": self.profiles[self.defaults.profile]} if self.defaults.profile else {}

    def _problems(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        if not values:
            yield "", "invalid", _("A row is an object with an identifier and a source.")
            return
        for name in sorted(set(values) - _KNOWN):
            yield name, "unknown", str(values[name]) if not name else _("There is no field %(name)r.") % {"name": name}
        for name in ("identifier", "label", "rights", "attribution", "store", "collection"):
            if not isinstance(values.get(name) or "", str):
                yield name, "invalid", _("It is not a text.")
                return
        yield from self._source_problems(self._source(values))
        yield from self._collection_problems(values.get("collection") or self.defaults.collection)
        yield from _model_problems(values)

    def _source(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """`store` and `key`, or `url`, from an object or from a text and the row's store; anything else as it is."""
        source = values.get("source")
        if isinstance(source, dict):
            return source
        if not isinstance(source, str) or not source:
            return {}
        store = values.get("store") or ("" if _is_url(source) else self.defaults.store)
        if store:
            return {"store": store, "key": source}
        return {"url": source}

    def _source_problems(self, source: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        if set(source) not in ({"store", "key"}, {"url"}) or not all(isinstance(v, str) and v for v in source.values()):
            yield "source", "required", _("Name a store and a key, or a URL.")
        elif "url" in source:
            if not _is_url(source["url"]):
                yield "source", "invalid", _("It is no URL, and no store is named in which it could be a key.")
        elif source["store"] not in self.stores:
            yield "source.store", "unknown", _("There is no store %(name)r.") % {"name": source["store"]}
        else:
            try:
                key_segments(source["key"])
            except SourceNotAllowedError as error:
                yield "source.key", "invalid", _(error.detail)

    def _collection_problems(self, name: str) -> Iterator[tuple[str, str, str]]:
        if name and name not in self.collections:
            text = _("There is no collection %(name)r, or you may not use it.")
            yield "collection", "unknown", text % {"name": name}
        elif not name and self.defaults.allowed is not None:
            yield "collection", "required", _("Your token needs one of its collections here.")


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _model_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    source = values.get("source")
    texts = source if isinstance(source, dict) else {"url": source} if isinstance(source, str) else {}
    url, key = str(texts.get("url", "")), str(texts.get("key", ""))
    image = Image(
        identifier=values.get("identifier") or "",
        key=key or ("" if _is_url(url) else url),
        url=url if _is_url(url) else "",
        **{name: values[name] for name in _FIELDS if values.get(name)},
    )
    try:
        image.clean_fields(exclude={*_LOOKED_UP})
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            path = f"source.{name}" if name in {"key", "url"} else name
            yield path, error.error_dict[name][0].code or "invalid", " ".join(messages)


def _compare(checked: Checked, visible: QuerySet[Image], *, replaces: bool) -> None:
    """What is there already: with the same source, with another, or out of the caller's reach."""
    for start in range(0, len(checked.rows), _AT_ONCE):
        part = {row.identifier: row for row in checked.rows[start : start + _AT_ONCE]}
        known = Image.objects.filter(identifier__in=part).values_list("pk", "identifier", "store_id", "key", "url")
        found = {identifier: (pk, (store, key, url)) for pk, identifier, store, key, url in known}
        seen = set(visible.filter(pk__in=[pk for pk, _source in found.values()]).values_list("pk", flat=True))
        for identifier, (pk, source) in found.items():
            _compare_one(checked, part[identifier], source, is_seen=pk in seen, replaces=replaces)


def _compare_one(
    checked: Checked, row: Row, source: tuple[int | None, str, str], *, is_seen: bool, replaces: bool
) -> None:
    if is_seen and source == row.source:
        checked.unchanged += 1
    elif is_seen and replaces:
        checked.moved += 1
    else:
        detail = _("The identifier is taken by another source.")
        checked.errors.append(RowError(row.number, row.identifier, "identifier", "identifier_taken", detail))


def defaults_problems(defaults: Defaults) -> Mapping[str, str]:
    """What is wrong with the defaults themselves, by name; in English, for programs alone send them by name."""
    checker = _Checker(defaults)
    known: Mapping[str, SetOf[str]] = {
        "store": checker.stores,
        "collection": checker.collections,
        "profile": checker.profiles,
    }
    return {
        name: f"There is no {name} {getattr(defaults, name)!r}."
        for name, names in known.items()
        if getattr(defaults, name) and getattr(defaults, name) not in names
    }
