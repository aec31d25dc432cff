"""Opening a remote source: from what is kept of it, else from its store, in the way that the store asks for."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from caching.sources.caches import SourceCaches, get_source_caches
from caching.sources.keys import SourceKey, place_digest
from images.sources.copies import copy_place
from images.sources.files import FileReader
from images.sources.held import HeldReader
from images.sources.location import Location
from images.sources.origin import PinnedOrigin
from images.sources.reader import ByteReader, SourceStat
from images.sources.retrieved import RetrievedReader
from images.sources.urls import source_url

SourceFactory = Callable[[Location, str | None], ByteReader]

_NO_STORE = "-"


def is_retrieved(location: Location) -> bool:
    """Whether its bytes are kept here: not those of folders, nor of what the server itself has put into a storage."""
    return location.kind != "filesystem" and (location.kind != "storage" or bool(location.retrieval.store))


def source_place(location: Location) -> str:
    """What tells the source from all others, for the caches. Raises SourceError for what cannot be a place."""
    if location.kind == "http":
        return copy_place(source_url(location))
    endpoint = str(location.options.get("endpoint_url", ""))
    return place_digest((location.kind, location.retrieval.store, endpoint, location.root, location.key))


def source_key(location: Location, etag: str) -> SourceKey:
    return SourceKey.of(source_place(location), etag, location.retrieval.store or _NO_STORE)


def open_retrieved(location: Location, etag: str | None, factory: SourceFactory) -> ByteReader:
    """As `open_source`. With `etag`, the store is asked only for what is not kept. Raises SourceError."""
    caches = get_source_caches()
    if etag is None:
        opened = factory(location, None)
        caches.failures.forget(source_place(location))
        return _open_known(location, opened.stat(), factory, caches, opened)
    key = source_key(location, etag)
    kept = _find_whole(key, SourceStat(0, etag), caches)
    if kept is not None:
        return kept
    byte_size = caches.blocks.find_byte_size(key)
    if byte_size is not None:
        return _open_known(location, SourceStat(byte_size, etag), factory, caches)
    opened = PinnedOrigin(key, caches, lambda: factory(location, etag)).open()
    return _open_known(location, replace(opened.stat(), etag=etag), factory, caches, opened)


def _open_known(
    location: Location,
    stat: SourceStat,
    factory: SourceFactory,
    caches: SourceCaches,
    opened: ByteReader | None = None,
) -> ByteReader:
    """`opened` by its store, or a reader of what is kept that takes it over."""
    if opened is not None and opened.fileno() is not None:
        return opened
    key = source_key(location, stat.etag)
    kept = _find_whole(key, stat, caches)
    if kept is not None:
        if opened is not None:
            opened.close()
        return kept
    origin = PinnedOrigin(key, caches, lambda: factory(location, stat.etag), opened, _host(location))
    return RetrievedReader(key, stat, location.retrieval.strategy, origin, caches)


def _host(location: Location) -> str:
    if location.kind == "http" and not location.retrieval.store:
        return urlsplit(source_url(location)).netloc
    return location.retrieval.store or location.kind


def _find_whole(key: SourceKey, stat: SourceStat, caches: SourceCaches) -> ByteReader | None:
    fd = caches.objects.find(key)
    if fd is not None:
        return FileReader(fd, etag=stat.etag, modified=stat.modified)
    data = caches.memory.find(key)
    return HeldReader(data, stat.etag) if data is not None else None
