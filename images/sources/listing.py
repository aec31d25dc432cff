"""What lies in a store, page by page, in ascending order of keys."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import obstore
from django.core.files.storage import storages

from images.sources.errors import SourceDisabledError, SourceError, SourceNotAllowedError
from images.sources.files import file_time
from images.sources.filesystem import list_files
from images.sources.location import Location, key_segments
from images.sources.object_client import ObjectClient, ObjectOptions, object_client
from images.sources.object_store import call
from images.sources.stored import storage_errors

_EVERYTHING = ("",)
_DEEPEST = 32  # folders below each other in a storage; more is a loop


class ListingUnsupportedError(SourceError):
    """The kind of store cannot say what lies in it."""

    code = "listing_unsupported"


@dataclass(frozen=True, slots=True)
class ListedSource:
    """`byte_size` and `modified` are None where the store does not say."""

    key: str
    byte_size: int | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. `cursor`: the last key, to be given for the next page; empty at the end."""

    sources: tuple[ListedSource, ...]
    cursor: str = ""


def list_sources(place: Location, prefix: str = "", cursor: str = "", limit: int = 1000) -> Listing:
    """What lies below the folder `prefix` of a store, after the key `cursor`; at most `limit`. Raises SourceError.

    `place` is a location in the store, whatever its key.
    """
    if not place.retrieval.is_enabled:
        raise SourceDisabledError("The store is switched off.", place.retrieval.store)
    prefix = prefix.strip("/")
    if prefix:
        key_segments(prefix)
    lister = _LISTERS.get(place.kind)
    if lister is None:
        raise ListingUnsupportedError("A store of this kind cannot say what lies in it.", place.kind)
    found = lister(place, f"{prefix}/" if prefix else "", cursor, limit)
    return Listing(found, found[-1].key if len(found) == limit else "")


def _list_folder(place: Location, prefix: str, cursor: str, limit: int) -> tuple[ListedSource, ...]:
    folder = f"{place.root}/{prefix}"
    if prefix and os.path.isdir(place.root) and not os.path.isdir(folder):  # noqa: PTH112
        return ()  # as in a bucket, where nothing has a name that begins so
    keys = (f"{prefix}{key}" for key in list_files(folder, _EVERYTHING))
    wanted = itertools.islice((key for key in keys if key > cursor), limit)
    return tuple(_listed_file(place.root, key) for key in wanted)


def _listed_file(root: str, key: str) -> ListedSource:
    try:
        status = os.stat(f"{root}/{key}")  # noqa: PTH116
    except OSError:
        return ListedSource(key)
    return ListedSource(key, status.st_size, file_time(status))


def _list_objects(place: Location, prefix: str, cursor: str, limit: int) -> tuple[ListedSource, ...]:
    client, options = object_client(place), ObjectOptions(**place.options)
    root = place.root.partition("/")[2].strip("/")
    root = f"{root}/" if root else ""
    work = _first_page(client, f"{root}{prefix}", f"{root}{cursor}" if cursor else None, limit)
    page = call(place, client, work, options.total_seconds)
    return tuple(
        ListedSource(meta["path"].removeprefix(root), meta["size"], meta["last_modified"])
        for meta in page
        if not meta["path"].endswith("/")
    )


async def _first_page(client: ObjectClient, prefix: str, offset: str | None, limit: int) -> Any:
    async with client.turn(0):
        pages = obstore.list(client.store, prefix.rstrip("/") or None, offset=offset, chunk_size=limit)
        async for page in pages:
            return page
    return []


def _list_storage(place: Location, prefix: str, cursor: str, limit: int) -> tuple[ListedSource, ...]:
    with storage_errors(place):
        keys = _walk(storages[place.root], prefix.rstrip("/"), _DEEPEST)
        return tuple(ListedSource(key) for key in itertools.islice((key for key in keys if key > cursor), limit))


def _walk(storage: Any, folder: str, depth: int) -> Iterator[str]:
    try:
        folders, files = storage.listdir(folder)
    except NotImplementedError:
        raise ListingUnsupportedError("The storage cannot say what lies in it.") from None
    for name in sorted([*(f"{one}/" for one in folders if one), *(one for one in files if one)]):
        path = f"{folder}/{name}" if folder else name
        if not name.endswith("/"):
            yield path
        elif depth:
            yield from _walk(storage, path.rstrip("/"), depth - 1)
        else:
            raise SourceNotAllowedError("The folders of the storage are too deep.", path)


_Lister = Callable[[Location, str, str, int], tuple[ListedSource, ...]]
_LISTERS: dict[str, _Lister] = {
    "filesystem": _list_folder,
    "storage": _list_storage,
    "s3": _list_objects,
    "gcs": _list_objects,
    "azure": _list_objects,
}
