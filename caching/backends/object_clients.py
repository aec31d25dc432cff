"""Objects by name, in a bucket or in a storage of Django's. Everything that goes wrong below is a CacheError."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import obstore
from django.core.files.base import ContentFile
from django.core.files.storage import InvalidStorageError, Storage, storages
from obstore.exceptions import BaseError
from obstore.store import from_url

from caching.errors import CacheUnavailableError


@dataclass(frozen=True, slots=True)
class Listed:
    """`modified`: seconds since 1970."""

    name: str
    byte_size: int
    modified: float


class ObjectClient(Protocol):
    """Names are relative to a prefix of its own. Methods raise CacheUnavailableError."""

    def get(self, name: str) -> bytes | None: ...

    def size(self, name: str) -> int | None:
        """Bytes of the object; None where there is none."""

    def put(self, name: str, data: bytes) -> None: ...

    def delete(self, names: Sequence[str]) -> None:
        """Those that are not there are passed over."""

    def list(self, prefix: str) -> Iterator[Listed]: ...


class ObstoreClient:
    """S3, Google Cloud Storage, Azure, a folder or memory, by URL. Raises ValueError for a URL that makes no sense."""

    def __init__(self, url: str, config: Mapping[str, Any], seconds: float) -> None:
        options = dict(config)
        client = {"timeout": timedelta(seconds=seconds), "connect_timeout": timedelta(seconds=min(2.0, seconds))}
        client_options = {**client, **options.pop("client_options", {})}
        arguments: dict[str, Any] = {}
        if not url.startswith(("file:", "memory:")):
            arguments = {"client_options": client_options, "retry_config": {"max_retries": 1}}
        elif url.startswith("file:"):
            arguments = {"mkdir": True}
        try:
            self._store = from_url(url, **arguments, **options)
        except (BaseError, TypeError) as error:
            raise ValueError(f"{url!r}: {error}") from error

    def get(self, name: str) -> bytes | None:
        with _translated():
            try:
                return bytes(obstore.get(self._store, name).bytes())
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        with _translated():
            try:
                return int(obstore.head(self._store, name)["size"])
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes) -> None:
        with _translated():
            obstore.put(self._store, name, data)

    def delete(self, names: Sequence[str]) -> None:
        with _translated():
            try:
                obstore.delete(self._store, list(names))
            except FileNotFoundError:
                for name in names:
                    self._delete_one(name)

    def list(self, prefix: str) -> Iterator[Listed]:
        with _translated():
            for page in obstore.list(self._store, prefix or None):
                for found in page:
                    yield Listed(found["path"], found["size"], found["last_modified"].timestamp())

    def _delete_one(self, name: str) -> None:
        try:
            obstore.delete(self._store, name)
        except FileNotFoundError:
            return


class StorageClient:
    """A storage of Django's, below a prefix. Raises ValueError where there is no such storage."""

    def __init__(self, alias: str, prefix: str) -> None:
        try:
            self._storage: Storage = storages[alias]
        except InvalidStorageError as error:
            raise ValueError(str(error)) from error
        self._prefix = prefix

    def get(self, name: str) -> bytes | None:
        with _translated():
            try:
                with self._storage.open(self._prefix + name, "rb") as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        with _translated():
            try:
                found = self._storage.exists(self._prefix + name)
                return self._storage.size(self._prefix + name) if found else None
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes) -> None:
        with _translated():
            full = self._prefix + name
            if self._storage.exists(full):
                self._storage.delete(full)
            written = self._storage.save(full, ContentFile(data))
            if written != full:  # another writer was faster, and has written the same
                self._storage.delete(written)

    def delete(self, names: Sequence[str]) -> None:
        with _translated():
            for name in names:
                self._storage.delete(self._prefix + name)

    def list(self, prefix: str) -> Iterator[Listed]:
        with _translated():
            yield from self._walk(prefix)

    def _walk(self, folder: str) -> Iterator[Listed]:
        try:
            folders, files = self._storage.listdir((self._prefix + folder).rstrip("/"))
        except (FileNotFoundError, NotADirectoryError):
            return
        for file in files:
            name, full = folder + file, self._prefix + folder + file
            try:
                yield Listed(name, self._storage.size(full), self._storage.get_modified_time(full).timestamp())
            except FileNotFoundError:
                continue
        for inner in folders:
            yield from self._walk(f"{folder}{inner}/")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Each maker of a storage raises what he likes, and none of it may reach an answer.
        raise CacheUnavailableError(f"the object storage failed: {type(error).__name__}: {error}") from error
