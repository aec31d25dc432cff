"""Reads of images and collections as manifests and public pages show them: one query for any number of images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import OuterRef, QuerySet, Subquery

from images.iiif.capabilities import Capabilities
from images.iiif.geometry import Size
from images.models import HAS_PICTURE, Collection, Image
from images.selectors.counting import counts
from images.selectors.gallery import ImageCard, image_card
from images.selectors.images import ServedImage, image_limits, metadata_pairs
from images.selectors.paging import read_keys
from images.selectors.profiles import ServedProfile, capabilities_within, default_profile, image_profile


@dataclass(frozen=True, slots=True)
class PresentedImage:
    """What a manifest says of an image, without what only decoding needs."""

    identifier: str
    full: Size
    capabilities: Capabilities
    label: str
    rights: str
    attribution: str
    metadata: tuple[tuple[str, str], ...]


_COUNTED_AHEAD = 100
"""Collections: the first pages of them."""


class CollectionNotFoundError(LookupError):
    """There is no such collection."""


def presented(served: ServedImage) -> PresentedImage:
    return PresentedImage(
        identifier=served.identifier,
        full=served.full,
        capabilities=served.capabilities,
        label=served.label,
        rights=served.rights,
        attribution=served.attribution,
        metadata=served.metadata,
    )


def public_images() -> QuerySet[Image]:
    """Images that have pictures to show."""
    images = Image.objects.select_related("profile", "collection__profile")
    return images.filter(HAS_PICTURE)


def get_collection(name: str) -> Collection:
    """Raises CollectionNotFoundError."""
    collection = Collection.objects.filter(name=name).first()
    if collection is None:
        raise CollectionNotFoundError(f"There is no collection {name!r}.")
    return collection


def count_collection(collection: Collection) -> int:
    return _count_shown([collection.pk])[collection.pk]


def _count_shown(collections: Sequence[int]) -> dict[int, int]:
    return counts.count_by(Image.objects.filter(HAS_PICTURE), "collection", collections)


def count_shown_ahead() -> None:
    """Count the first collections by name, so that nobody waits for it."""
    _count_shown(list(Collection.objects.order_by("name").values_list("pk", flat=True)[:_COUNTED_AHEAD]))


def list_collection(collection: Collection, start: int, length: int, total: int) -> tuple[PresentedImage, ...]:
    """In the order of their identifiers, so that pages stay what they are when labels change.

    `total` is what `count_collection` says.
    """
    keys = read_keys(_shown_in(collection), start, start + length, total)
    return all_presented(public_images().filter(pk__in=keys).order_by("identifier"))


def _shown_in(collection: Collection) -> QuerySet[Image]:
    """Found by an index that has it all: on the way to a far page no row is read."""
    return Image.objects.filter(HAS_PICTURE, collection=collection).order_by("identifier")


@dataclass(frozen=True, slots=True)
class CollectionCard:
    """A collection as a list of collections shows it; `image` stands for it, None for an empty one."""

    name: str
    label: str
    total: int
    image: ImageCard | None


@dataclass(frozen=True, slots=True)
class CollectionCards:
    collections: tuple[CollectionCard, ...]
    page: int
    pages: int
    total: int


def list_collection_cards(page: int, per_page: int) -> CollectionCards:
    """One page of collections by name, each with the number of its pictures; three queries, and one to count."""
    of_collection = public_images().filter(collection=OuterRef("pk")).order_by()
    collections = Collection.objects.order_by("name").annotate(
        first_pk=Subquery(of_collection.order_by("identifier").values("pk")[:1]),
    )
    paginator = Paginator(collections, per_page)
    current = paginator.get_page(page)
    found: list[Any] = list(current)  # with what the annotations add
    shown = _count_shown([each.pk for each in found])
    images = Image.objects.in_bulk([each.first_pk for each in found if each.first_pk])
    cards = tuple(
        CollectionCard(
            each.name, str(each), shown[each.pk], image_card(images[each.first_pk]) if each.first_pk in images else None
        )
        for each in found
    )
    return CollectionCards(cards, current.number, paginator.num_pages, paginator.count)


def count_collections() -> int:
    return Collection.objects.count()


def list_collections(start: int, length: int) -> tuple[Collection, ...]:
    return tuple(Collection.objects.order_by("name")[start : start + length])


def all_presented(images: Iterable[Image]) -> tuple[PresentedImage, ...]:
    default = default_profile()
    return tuple(_presented(image, image_profile(image, default)) for image in images)


def _presented(image: Image, profile: ServedProfile) -> PresentedImage:
    return PresentedImage(
        identifier=image.identifier,
        full=Size(image.width or 1, image.height or 1),
        capabilities=capabilities_within(profile.capabilities, image_limits(image, profile)),
        label=image.label,
        rights=image.rights or profile.rights,
        attribution=image.attribution or profile.attribution,
        metadata=metadata_pairs(image.metadata),
    )
