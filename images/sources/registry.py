"""Which implementation opens which kind of source.

To add a kind: write a module with a factory that returns a `ByteReader`, let it pass the contract suite in
tests/images/sources, and name it here.
"""

from images.sources.errors import SourceDisabledError, SourceNotAllowedError
from images.sources.filesystem import open_file
from images.sources.flickr import open_photo
from images.sources.http import open_url
from images.sources.location import Location
from images.sources.object_store import open_object
from images.sources.reader import ByteReader
from images.sources.retrieval import SourceFactory, is_retrieved, open_retrieved
from images.sources.stored import open_stored

SOURCE_KINDS: dict[str, SourceFactory] = {
    "filesystem": open_file,
    "http": open_url,
    "s3": open_object,
    "gcs": open_object,
    "azure": open_object,
    "storage": open_stored,
    "flickr": open_photo,
}


def open_source(location: Location, etag: str | None = None) -> ByteReader:
    """Open the source at `location`; with `etag` given, that version of it and no other.

    Without an etag the source's current version is opened, for which a remote one is asked. Raises SourceError:
    SourceChangedError where the version that was asked for is no longer to be had.
    """
    factory = SOURCE_KINDS.get(location.kind)
    if factory is None:
        raise SourceNotAllowedError(
            "The source lies in a kind of store that this server does not know.",
            f"kind {location.kind!r}; known: {', '.join(sorted(SOURCE_KINDS))}",
        )
    if not location.retrieval.is_enabled:
        raise SourceDisabledError("The store of the source is switched off.", location.retrieval.store)
    return open_retrieved(location, etag, factory) if is_retrieved(location) else factory(location, etag)
