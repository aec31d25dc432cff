"""Stores that the server makes by itself: one a folder that an operator names, and the one that keeps uploads."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.core.files.storage import FileSystemStorage, storages
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.text import slugify

from images.conf import conf
from images.models import Image, Store, StoreKind
from images.selectors.stores import store_location
from images.sources.listing import Listing, list_sources

UPLOADS = "uploads"


class StoreInUseError(ValueError):
    """Images refer to the store."""


_NAME_ATTEMPTS = 1000
SUFFIXES = (
    *(".tif", ".tiff", ".svs", ".jp2", ".jpx", ".jpf", ".j2k", ".j2c", ".jpc", ".jhc", ".jph"),
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"),
)
"""Of the files that are taken for images where a whole folder is named."""

LISTED = 1000
"""Sources on a page of a listing: what object storage gives in one answer."""


def store_for_folder(folder: Path) -> Store:
    """The filesystem store whose root is `folder` (absolute), made on first use."""
    root = str(folder.resolve())
    existing = Store.objects.filter(kind=StoreKind.FILESYSTEM, root=root).first()
    if existing is not None:
        return existing
    base = slugify(folder.name)[:80] or "folder"
    for number in range(1, _NAME_ATTEMPTS):
        name = base if number == 1 else f"{base}-{number}"
        if name == UPLOADS:
            continue  # its root follows the data directory
        try:
            with transaction.atomic():
                return Store.objects.create(name=name, kind=StoreKind.FILESYSTEM, root=root)
        except IntegrityError:
            continue
    raise RuntimeError(f"No free store name was found for {base!r}.")


def store_for_uploads() -> Store:
    """The store of uploaded sources: STORAGES["default"], or its folder, which follows the data directory.

    The folder is made on first use; what arrives waits there in any case.
    """
    root = conf.upload_dir
    root.mkdir(parents=True, exist_ok=True)
    is_folder = isinstance(storages["default"], FileSystemStorage)
    kind, place = (StoreKind.FILESYSTEM, str(root)) if is_folder else (StoreKind.STORAGE, "default")
    store, _created = Store.objects.update_or_create(name=UPLOADS, defaults={"kind": kind, "root": place})
    return store


def store_list(store: Store, prefix: str = "", cursor: str = "", limit: int = LISTED) -> Listing:
    """What lies below the folder `prefix` of a store, page by page: `cursor` is that of the page before.

    Raises SourceError; ListingUnsupportedError where a store of this kind cannot say.
    """
    return list_sources(store_location(store, ""), prefix, cursor, min(limit, LISTED))


def store_list_images(store: Store, prefix: str = "") -> Iterator[str]:
    """The keys of all images below the folder `prefix`, by their suffixes, page after page. Raises SourceError."""
    cursor = ""
    while True:
        listing = store_list(store, prefix, cursor)
        yield from (one.key for one in listing.sources if one.key.lower().endswith(SUFFIXES))
        cursor = listing.cursor
        if not cursor:
            return


def store_image_count(stores: Iterable[Store]) -> int:
    """How many images have their source in one of the stores, or show one that they had there before."""
    given = [store.pk for store in stores]
    return Image.objects.filter(Q(store__in=given) | Q(tiling__store__in=given)).count()


def store_delete(store: Store) -> None:
    """Raises StoreInUseError where images hinder it; none of them is read."""
    count = store_image_count([store])
    if count:
        raise StoreInUseError(f"Images refer to this store, or show what they had there before: {count:,}.")
    store.delete()
