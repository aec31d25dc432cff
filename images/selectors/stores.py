"""From the record of a store to what a reader needs; the one place where that is done."""

from typing import Any

from django.core.files.storage import InvalidStorageError

from iiifserver import env
from images.conf import conf
from images.models import Store, StoreKind
from images.sources.credentials import Credentials
from images.sources.errors import SourceUnreachableError
from images.sources.location import Location, Retrieval, Strategy
from images.sources.stored import stored_location


def store_location(store: Store, key: str) -> Location:
    """Where the source `key` of a store lies. Raises SourceError where the store names a storage that there is not."""
    retrieval = store_retrieval(store)
    if store.kind == StoreKind.STORAGE:
        try:
            return stored_location(store.root, key, retrieval)
        except InvalidStorageError as error:
            raise SourceUnreachableError("The storage of the source is not set up.", str(error)) from error
    return Location(store.kind, store.root, key, store_options(store), retrieval)


def url_location(url: str) -> Location:
    """Where a source lies that a URL names."""
    return Location(kind="http", root="", key=url, options=conf.http_source_options)


def store_retrieval(store: Store) -> Retrieval:
    return Retrieval(
        store=store.name,
        strategy=Strategy(store.strategy),
        prefetch=store.prefetch,
        freshness_seconds=store.freshness_seconds,
        max_connections=store.max_connections,
        max_bytes_per_second=store.max_bytes_per_second,
        is_enabled=store.is_enabled,
    )


def store_options(store: Store) -> dict[str, Any]:
    """The options of its kind, from settings and from the record."""
    if store.kind == StoreKind.FILESYSTEM:
        return {}
    credentials = Credentials(store.credentials, env.variables_below)
    if store.kind == StoreKind.FLICKR:
        return {**conf.http_source_options, "api_url": conf.flickr_api_url, "credentials": credentials}
    if store.kind != StoreKind.HTTP:
        return {**conf.object_source_options, **store.options, "credentials": credentials}
    settings = conf.http_source_options
    own = dict(store.options)
    settings["ports"] = (*settings["ports"], *own.pop("ports", ()))
    settings["allowed_networks"] = (*settings["allowed_networks"], *own.pop("networks", ()))
    return {**settings, **own, "credentials": credentials, "allowed_hosts": tuple(store.allowed_hosts)}
