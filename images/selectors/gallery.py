"""Images as cards: pages of the gallery, and what is not read yet."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from images.models import Image, ImageState
from images.selectors.counting import counts
from images.selectors.images import ImageNotFoundError
from images.selectors.paging import KeysFirstPaginator, PublicPaginator
from images.selectors.searching import search_images

_UNFINISHED = (ImageState.PENDING, ImageState.PROCESSING)


@dataclass(frozen=True, slots=True)
class ImageCard:
    """What a list shows of an image; `width` and `height` are pixels, or None while they are unknown."""

    identifier: str
    label: str
    state: str
    width: int | None
    height: int | None
    source_format: str
    error_detail: str
    version: int


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """`has_more`: there are more than `total` images, and pages than `pages`; they are being counted."""

    cards: tuple[ImageCard, ...]
    page: int
    pages: int
    total: int
    has_more: bool = False


def list_gallery(
    page: int, per_page: int, search: str = "", *, collection: int | None = None, with_failed: bool = False
) -> GalleryPage:
    """One page of the gallery, newest first; a page number out of range gives the nearest one.

    `collection` is the key of the only collection that is looked at, in the order of identifiers. `with_failed`, for
    curators: also images that could not be read and have no picture to show (no earlier version, or one that is in
    quarantine), and counts of the last ten seconds; visitors have those of the last minutes.
    """
    images = _listed(collection, with_failed=with_failed)
    if search:
        images = search_images(images, search)
    paginator = (KeysFirstPaginator if with_failed else PublicPaginator)(images, per_page)
    current = paginator.get_page(page)
    return GalleryPage(
        cards=tuple(image_card(image) for image in current),
        page=current.number,
        pages=paginator.num_pages,
        total=paginator.count,
        has_more=isinstance(paginator, PublicPaginator) and paginator.has_more,
    )


def count_gallery() -> int:
    """How many images visitors see."""
    return counts.count(_listed(None, with_failed=False), old=True)


def _listed(collection: int | None, *, with_failed: bool) -> QuerySet[Image]:
    images: QuerySet[Image] = Image.objects.order_by("-created", "-pk")
    if collection is not None:
        images = images.filter(collection=collection).order_by("identifier")
    if not with_failed:
        images = images.exclude(Q(width__isnull=True) | Q(error_code="quarantined"), state=ImageState.FAILED)
    return images


def list_unfinished(limit: int = 100) -> tuple[ImageCard, ...]:
    """Cards of images that are waiting or being read, newest first."""
    newest = Image.objects.order_by("-created", "-pk")
    # One by one: of two states at once databases think that there are so many that they read the table in its order.
    found = [image for state in _UNFINISHED for image in newest.filter(state=state)[:limit]]
    found.sort(key=lambda image: (image.created, image.pk), reverse=True)
    return tuple(image_card(image) for image in found[:limit])


def get_card(identifier: str) -> ImageCard:
    """Raises ImageNotFoundError."""
    # PostgreSQL refuses to look for NUL.
    image = None if "\x00" in identifier else Image.objects.filter(identifier=identifier).first()
    if image is None:
        raise ImageNotFoundError(f"There is no image {identifier!r}.")
    return image_card(image)


def image_card(image: Image) -> ImageCard:
    return ImageCard(
        identifier=image.identifier,
        label=image.label or image.identifier,
        state=image.state,
        width=image.width,
        height=image.height,
        source_format=image.source_format,
        error_detail=image.error_detail,
        version=image.version,
    )
