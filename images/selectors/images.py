"""Reads of image records. Nothing here writes, and no ORM object leaves on the way to an IIIF answer."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.core.signals import setting_changed
from django.db import DatabaseError
from django.db.models import Q, QuerySet

from images.conf import conf
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.indexes.description import SourceDescription
from images.models import Image, ImageState, StoreKind
from images.sources.location import Location

_MEMO_ENTRIES = 4096  # a few KB each


class ImageNotFoundError(LookupError):
    """No image is registered under the identifier."""


class ImageNotReadyError(LookupError):
    """The image is registered but has no indexed version yet: `state` is pending, processing or failed."""

    def __init__(self, identifier: str, state: str, detail: str) -> None:
        super().__init__(f"The image {identifier!r} is {state}.")
        self.state = state
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ServedImage:
    """All that an answer needs to know of an image, as of one version. `modified` is when that version was indexed."""

    pk: int
    uuid: str
    identifier: str
    version: int
    full: Size
    tile: Size
    description: SourceDescription
    location: Location
    etag: str
    modified: datetime
    record_modified: datetime
    label: str
    rights: str
    attribution: str
    metadata: tuple[tuple[str, str], ...]
    limits: Limits


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
    cards: tuple[ImageCard, ...]
    page: int
    pages: int
    total: int


class _Memo:
    """What this process knows of records: for some seconds, and for longer only while the database is down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, ServedImage]] = OrderedDict()

    def get(self, identifier: str, max_age_seconds: float) -> ServedImage | None:
        with self._lock:
            entry = self._entries.get(identifier)
        if entry is None or time.monotonic() - entry[0] > max_age_seconds:
            return None
        return entry[1]

    def put(self, served: ServedImage) -> None:
        with self._lock:
            self._entries[served.identifier] = (time.monotonic(), served)
            self._entries.move_to_end(served.identifier)
            if len(self._entries) > _MEMO_ENTRIES:
                self._entries.popitem(last=False)

    def discard(self, identifier: str) -> None:
        with self._lock:
            self._entries.pop(identifier, None)

    def clear(self, **_kwargs: object) -> None:
        with self._lock:
            self._entries.clear()


_memo = _Memo()
setting_changed.connect(_memo.clear, dispatch_uid="images.selectors.memo")


def forget_served_image(identifier: str) -> None:
    """Drop what this process remembers of an image; other processes do so within IIIF_SERVED_IMAGE_TTL."""
    _memo.discard(identifier)


def get_served_image(identifier: str) -> ServedImage:
    """The current version of an image, memoised; one query at most.

    Raises ImageNotFoundError, ImageNotReadyError; DatabaseError only for images that this process has never served.
    """
    served = _memo.get(identifier, conf.served_image_ttl_seconds)
    if served is not None:
        return served
    try:
        served = _read_served_image(identifier)
    except DatabaseError:
        stale = _memo.get(identifier, float("inf"))
        if stale is None:
            raise
        return stale
    except LookupError:
        _memo.discard(identifier)
        raise
    _memo.put(served)
    return served


def _read_served_image(identifier: str) -> ServedImage:
    images = Image.objects.select_related("tiling", "store").defer("tiling__index")
    image = images.filter(identifier=identifier).first()
    if image is None:
        raise ImageNotFoundError(f"There is no image {identifier!r}.")
    tiling = getattr(image, "tiling", None)
    if tiling is None or tiling.version != image.version or image.error_code == "quarantined":
        raise ImageNotReadyError(identifier, image.state, image.error_detail)
    description = SourceDescription.from_json(tiling.description)
    return ServedImage(
        pk=image.pk,
        uuid=image.uuid.hex,
        identifier=image.identifier,
        version=image.version,
        full=Size(description.width, description.height),
        tile=Size(tiling.tile_width, tiling.tile_height),
        description=description,
        location=image_location(image),
        etag=tiling.etag,
        modified=tiling.created,
        record_modified=image.modified,
        label=image.label,
        rights=image.rights,
        attribution=image.attribution,
        metadata=_metadata_pairs(image.metadata),
        limits=_narrowed(conf.limits, image),
    )


def image_location(image: Image) -> Location:
    """Where the source of a record lies."""
    if image.store is None:
        return Location(kind="http", root="", key=image.url, options=conf.http_source_options)
    options = conf.http_source_options if image.store.kind == StoreKind.HTTP else {}
    return Location(kind=image.store.kind, root=image.store.root, key=image.key, options=options)


def _metadata_pairs(metadata: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(metadata, list):
        return ()
    return tuple((str(row.get("label", "")), str(row.get("value", ""))) for row in metadata if isinstance(row, dict))


def _narrowed(limits: Limits, image: Image) -> Limits:
    def smaller(first: int | None, second: int | None) -> int | None:
        return min((value for value in (first, second) if value is not None), default=None)

    return Limits(
        max_width=smaller(limits.max_width, image.max_width),
        max_height=smaller(limits.max_height, image.max_height),
        max_area=smaller(limits.max_area, image.max_area),
    )


def list_gallery(page: int, per_page: int, search: str = "") -> GalleryPage:
    """One page of the gallery, newest first; a page number out of range gives the nearest one."""
    images: QuerySet[Image] = Image.objects.order_by("-created", "-pk")
    if search:
        images = images.filter(Q(identifier__icontains=search) | Q(label__icontains=search))
    paginator = Paginator(images, per_page)
    current = paginator.get_page(page)
    return GalleryPage(
        cards=tuple(image_card(image) for image in current),
        page=current.number,
        pages=paginator.num_pages,
        total=paginator.count,
    )


def list_unfinished(limit: int = 100) -> tuple[ImageCard, ...]:
    """Cards of images that are waiting or being read, newest first."""
    unfinished = Image.objects.filter(state__in=(ImageState.PENDING, ImageState.PROCESSING)).order_by("-created", "-pk")
    return tuple(image_card(image) for image in unfinished[:limit])


def get_card(identifier: str) -> ImageCard:
    """Raises ImageNotFoundError."""
    image = Image.objects.filter(identifier=identifier).first()
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
