"""Where complete uploads are kept: in the upload folder, or in the storage that STORAGES["default"] names."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage, storages

from images.models import Store, StoreKind

ALIAS = "default"
_NAME = re.compile(r"[0-9a-f]{32}(?:\.[a-z0-9]+)?", re.ASCII)


def is_elsewhere() -> bool:
    """Whether uploads are kept in a storage that is no folder."""
    return not isinstance(storages[ALIAS], FileSystemStorage)


def keep(store: Store, partial: Path, key: str) -> None:
    """Put a complete upload in its place; `partial` is gone then. Raises OSError."""
    if store.kind != StoreKind.STORAGE:
        partial.rename(Path(store.root) / key)
        return
    try:
        with partial.open("rb") as file:
            name = storages[store.root].save(key, File(file))
    except Exception as error:  # what the storage's library raises
        raise OSError(f"The upload could not be stored: {type(error).__name__}") from error
    if name != key:
        storages[store.root].delete(name)
        raise OSError("The storage keeps uploads under other names than they were given.")
    partial.unlink(missing_ok=True)


def discard(store: Store, key: str) -> None:
    """Remove an upload; one that is not there is none."""
    if store.kind == StoreKind.STORAGE:
        storages[store.root].delete(key)
    else:
        (Path(store.root) / key).unlink(missing_ok=True)


@contextmanager
def reading(store: Store, key: str) -> Iterator[BinaryIO]:
    """Raises OSError."""
    if store.kind == StoreKind.STORAGE:
        with storages[store.root].open(key, "rb") as stored:
            yield cast("BinaryIO", stored)
    else:
        with (Path(store.root) / key).open("rb") as file:
            yield file


def old_uploads(seconds: float) -> Iterator[str]:
    """The keys of uploads in the storage that are older than that; what others have put there is none."""
    before = time.time() - seconds
    for name in default_storage.listdir("")[1]:
        if _NAME.fullmatch(name) and default_storage.get_modified_time(name).timestamp() < before:
            yield name
