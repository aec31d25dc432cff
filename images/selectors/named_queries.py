"""The images of named queries: found by indexes, looked for once in some seconds, and never more than are shown."""

import hashlib
import json
from collections.abc import Callable, Sequence

from django.core.cache import cache
from django.db import connection, connections
from django.db.models import Max, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields import BooleanField

from images.iiif.queries import METADATA, Condition, Order, QueryTemplate, natural_key
from images.models import Activity, Image, NamedQuery
from images.selectors.images import metadata_pairs
from images.selectors.presentation import PresentedImage, all_presented, public_images
from images.selectors.searching import narrow_images

KEPT_SECONDS = 10
"""As long as counts of long lists; a set that has changed by a record saved is looked for anew at once."""
_NARROW = 4000
"""Rows of which SQLite reads the metadata, where so few have the value in it."""
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class TooManyImagesError(ValueError):
    """A set has more images than are shown; the message says how many may be."""


class QueryNotFoundError(LookupError):
    """There is no such named query."""


def get_named_query(name: str) -> NamedQuery:
    """Raises QueryNotFoundError."""
    query = NamedQuery.objects.filter(name=name).first()
    if query is None:
        raise QueryNotFoundError(f"There is no query {name!r}.")
    return query


def find_query(
    template: QueryTemplate, arguments: Sequence[str], limit: int, admit: Callable[[], None] = lambda: None
) -> list[int]:
    """The keys of the images of a named query in its order; `admit` is called before they are looked for anew.

    Raises QueryArgumentsError, TooManyImagesError for more than `limit`, and what `admit` raises.
    """
    conditions = template.resolve(arguments)
    changed = Image.objects.aggregate(last=Max("modified"))["last"]
    activity = Activity.objects.aggregate(last=Max("pk"))["last"]
    facts = [changed, activity, limit, *map(repr, conditions), *map(repr, template.orders)]
    name = f"iiif:query:{hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()}"
    keys: list[int] | None = cache.get(name)
    if keys is None:
        admit()
        keys = _in_order(find_keys(conditions, limit), template.orders, limit)
        cache.set(name, keys, KEPT_SECONDS)
    if len(keys) > limit:
        raise TooManyImagesError(f"More than {limit} images belong to this set; {limit} at most are shown.")
    return keys


def list_images(keys: Sequence[int]) -> tuple[PresentedImage, ...]:
    """In the order of the keys; without those that are no longer shown."""
    images = {image.pk: image for image in public_images().filter(pk__in=keys)} if keys else {}
    return all_presented(images[key] for key in keys if key in images)


def find_keys(conditions: Sequence[Condition], limit: int) -> list[int]:
    """Of the images that fulfil all conditions, in no order; of too many only so many that it is clear."""
    images = public_images()
    for condition in conditions:
        images = _narrowed(images, condition).filter(_condition(condition))
    return list(images.order_by().values_list("pk", flat=True)[: limit + 1])


def _in_order(keys: list[int], orders: Sequence[Order], limit: int) -> list[int]:
    """Those of too many stay as they are."""
    if not 1 < len(keys) <= limit:
        return keys
    fields = {"metadata" if order.field.startswith(METADATA) else order.field for order in orders}
    found = list(Image.objects.filter(pk__in=keys).order_by("identifier").only("identifier", *fields))
    for order in reversed(orders):
        found.sort(key=lambda image, order=order: natural_key(_value(image, order)), reverse=order.is_descending)  # type: ignore[misc]
    return [image.pk for image in found]


def _condition(condition: Condition) -> Q:
    if condition.field == "collection":
        return Q(collection__name=condition.value)
    if condition.field == "identifier" and condition.value.endswith("*"):
        return _begins(condition.value[:-1])
    if condition.field.startswith(METADATA):
        return _has_row(condition.field.removeprefix(METADATA), condition.value)
    return Q(**{condition.field: condition.value})


def _begins(beginning: str) -> Q:
    """PostgreSQL has an index for it; that of SQLite knows what lies between, in the order of code points."""
    if connection.vendor == "postgresql":
        return Q(identifier__startswith=beginning)
    following = ord(beginning[-1]) + 1
    if following > _LAST:
        return Q(identifier__startswith=beginning)
    end = chr(_SURROGATES.stop if following in _SURROGATES else following)
    return Q(identifier__gte=beginning, identifier__lt=beginning[:-1] + end)


def _has_row(label: str, value: str) -> Q:
    """SQLite cannot look into lists of JSON by an operator, as PostgreSQL can."""
    if connection.vendor == "postgresql":
        return Q(metadata__contains=[{"label": label, "value": value}])
    statement = (
        'EXISTS (SELECT 1 FROM json_each("images_image"."metadata") AS row WHERE row.type = \'object\''
        " AND json_extract(row.value, '$.label') = %s AND json_extract(row.value, '$.value') = %s)"
    )
    return Q(RawSQL(statement, [label, value], output_field=BooleanField()))  # noqa: S611 - own names


def _narrowed(images: QuerySet[Image], condition: Condition) -> QuerySet[Image]:
    if not condition.field.startswith(METADATA) or connections[images.db].vendor != "sqlite":
        return images
    return narrow_images(images, json.dumps(condition.value), ("metadata",), few=_NARROW)


def _value(image: Image, order: Order) -> str:
    if order.field.startswith(METADATA):
        return dict(reversed(metadata_pairs(image.metadata))).get(order.field.removeprefix(METADATA), "")
    return str(image.collection_id if order.field == "collection" else getattr(image, order.field))
