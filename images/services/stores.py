"""Stores that the server makes by itself: one a folder that an operator names, and the one that keeps uploads."""

from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from images.conf import conf
from images.models import Store, StoreKind

UPLOADS = "uploads"
_NAME_ATTEMPTS = 1000


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
    """The store of uploaded sources; its folder is made on first use and follows the data directory."""
    root = conf.upload_dir
    root.mkdir(parents=True, exist_ok=True)
    store, _created = Store.objects.update_or_create(
        name=UPLOADS, defaults={"kind": StoreKind.FILESYSTEM, "root": str(root)}
    )
    return store
