"""Many sources at once, as a command names them: files, folders, URLs, keys in a store, rows of a CSV file."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ValidationError

from images.models import Collection, Image, ImageState, Store
from images.queue import Queue
from images.services.ingest import IngestRetryError, image_ingest
from images.services.registration import (
    IdentifierTakenError,
    SourceReference,
    image_register,
    image_reingest,
    image_save,
    upload_store,
    validation_messages,
)
from images.services.stores import SUFFIXES, store_for_folder, store_list_images
from images.services.uploads import UploadTooLargeError
from images.sources.errors import SourceError
from images.sources.filesystem import list_files

_CSV_HEADERS = (("identifier", "source"), ("source_id", "alternate_id"))
_COPY_BYTES = 1_048_576
_WAIT_SECONDS = 0.2
_WORKER_SECONDS = 600  # how long another worker may hold an image that --wait waits for


class BulkError(ValueError):
    """What was named cannot be understood; the message says what and why."""


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One image to be: `path` is a local file, else `store` and `key` or `url` name the source."""

    identifier: str
    name: str
    path: Path | None = None
    store: str = ""
    key: str = ""
    url: str = ""
    root: Path | None = None
    collection: str = ""
    copy: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    pk: int | None = None
    error: str = ""


def collect_items(
    sources: list[str],
    *,
    store: str | None = None,
    identifier: str | None = None,
    collection: str | None = None,
    csv_file: Path | None = None,
    copy: bool = False,
    replace: bool = False,
) -> list[BulkItem]:
    """All images that the arguments name. Raises BulkError for the first that makes no sense; nothing is done then."""
    if store is not None and not Store.objects.filter(name=store).exists():
        raise BulkError(f"There is no store named {store!r}.")
    items = [item for source in sources for item in _expand(source, store)]
    if csv_file is not None:
        items += list(_rows(csv_file, store))
    if identifier is not None:
        if len(items) != 1:
            raise BulkError(f"--id names one image, but {len(items)} were given.")
        items = [_replaced(items[0], identifier=identifier)]
    _require_different(items)
    return [_replaced(item, collection=collection or "", copy=copy, replace=replace) for item in items]


def _require_different(items: list[BulkItem]) -> None:
    seen: dict[str, str] = {}
    for item in items:
        if item.identifier in seen:
            raise BulkError(
                f"{seen[item.identifier]} and {item.name} would both be {item.identifier!r}. Name a folder above both, "
                "or give identifiers with --csv."
            )
        seen[item.identifier] = item.name


def _replaced(item: BulkItem, **values: str | bool) -> BulkItem:
    fields = {name: getattr(item, name) for name in BulkItem.__slots__}
    return BulkItem(**{**fields, **values})


def _expand(source: str, store: str | None) -> Iterator[BulkItem]:
    if store is not None:
        keys = _keys_below(store, source) if source.endswith("/") else (source,)
        yield from (BulkItem(identifier=key, name=key, store=store, key=key) for key in keys)
        return
    if source.startswith(("http://", "https://")):
        yield BulkItem(identifier=_name_in_url(source), name=source.partition("?")[0], url=source)
        return
    path = Path(source).expanduser()
    if path.is_dir():
        root = path.resolve()
        found = False
        for key in list_files(str(root), SUFFIXES):
            found = True
            yield BulkItem(identifier=key, name=key, path=root / key, root=root)
        if not found:
            raise BulkError(f"There are no image files below {source!r}.")
    elif path.is_file():
        path = path.resolve()
        yield BulkItem(identifier=path.name, name=source, path=path, root=path.parent)
    else:
        raise BulkError(f"There is no file or folder {source!r}.")


def _keys_below(store: str, folder: str) -> list[str]:
    try:
        keys = list(store_list_images(Store.objects.get(name=store), folder))
    except SourceError as error:
        raise BulkError(f"The store {store!r} cannot be listed: {error.detail}") from error
    if not keys:
        raise BulkError(f"There are no images below {folder!r} in the store {store!r}.")
    return keys


def _name_in_url(url: str) -> str:
    """The last part of a URL's path: a query may hold secrets, and an identifier is public."""
    parts = urlsplit(url)
    return PurePosixPath(unquote(parts.path)).name or parts.hostname or "image"


def _rows(csv_file: Path, store: str | None) -> Iterator[BulkItem]:
    try:
        with csv_file.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BulkError(f"{csv_file} cannot be read: {error}") from error
    header = tuple(name.strip() for name in rows[0]) if rows else ()
    if header not in _CSV_HEADERS:
        raise BulkError(f"{csv_file}: the first line must be identifier,source or source_id,alternate_id.")
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        first, second = (*cells, "", "")[:2]
        source, name = (second, first) if header == _CSV_HEADERS[0] else (first, second or first)
        if not source or not name:
            raise BulkError(f"{csv_file}, line {number}: identifier and source are both needed.")
        items = list(_expand(source, store))
        if len(items) != 1:
            raise BulkError(f"{csv_file}, line {number}: {source!r} is a folder; a row names one image.")
        yield _replaced(items[0], identifier=name)


def ingest_item(item: BulkItem, *, queue: bool | Queue) -> Outcome:
    """Register one image; with `queue` a worker reads it. Another source of its identifier goes only by `replace`."""
    try:
        registration = image_register(
            item.identifier, _reference(item), replace=item.replace, queue=queue, **_fields(item)
        )
        if not registration.changed:
            _read_again(registration.image, _fields(item), queue=queue)
    except ValidationError as error:
        return Outcome(error=validation_messages(error))
    except IdentifierTakenError as error:
        return Outcome(error=f"{error} Use --replace to put this one in its place, or --id or --csv for another name.")
    except (UploadTooLargeError, OSError) as error:
        return Outcome(error=str(error))
    return Outcome(pk=registration.image.pk)


def _read_again(image: Image, fields: dict[str, object], *, queue: bool | Queue) -> None:
    """What is ingested once more is read once more: its file may have been mended or replaced."""
    for name, value in fields.items():
        setattr(image, name, value)
    if fields:
        image_save(image, set(fields))
    image_reingest(image.pk, queue=queue)


def _reference(item: BulkItem) -> SourceReference:
    if item.path is None:
        store = Store.objects.get(name=item.store) if item.store else None
        return SourceReference(store=store, key=item.key, url=item.url)
    if item.copy:
        with item.path.open("rb") as file:
            return upload_store(iter(lambda: file.read(_COPY_BYTES), b""), item.path.name)
    root = item.root or item.path.parent
    return SourceReference(store=store_for_folder(root), key=item.path.relative_to(root).as_posix())


def _fields(item: BulkItem) -> dict[str, object]:
    if not item.collection:
        return {}
    collection, _created = Collection.objects.get_or_create(name=item.collection)
    return {"collection": collection}


def wait_for(pk: int) -> str:
    """Do the work here, or wait for the worker that has it. Returns the reason of a failure, or an empty text."""
    deadline = time.monotonic() + _WORKER_SECONDS
    while time.monotonic() < deadline:
        try:
            image = image_ingest(pk)
        except IngestRetryError:
            time.sleep(_WAIT_SECONDS)
            continue
        image = image or Image.objects.get(pk=pk)
        if image.state == ImageState.READY:
            return ""
        if image.state == ImageState.FAILED:
            return image.error_detail
        time.sleep(_WAIT_SECONDS)
    return "It was still being read after ten minutes."
