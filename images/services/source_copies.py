"""What this node keeps of remote sources: fetched ahead, pinned, given up."""

from caching.sources.caches import get_source_caches
from caching.sources.objects import FillProgress
from images.models import Image
from images.selectors.images import ServedImage, get_served_image, image_location, tiling_location
from images.sources.errors import SourceError, SourceUnreachableError
from images.sources.location import Location
from images.sources.prefetch import get_prefetcher
from images.sources.registry import open_source
from images.sources.retrieval import is_retrieved, source_place


def source_prefetch(served: ServedImage) -> None:
    """Fetch the source in the background if its store says so. Never waits, never fails."""
    if served.location.retrieval.prefetch and served.copy is None:
        get_prefetcher().request(served.location, served.etag)


def source_fetch(image: Image) -> None:
    """Fetch the source now, as its store wants it. Raises SourceError, and LookupError where no version is served."""
    served = get_served_image(image.identifier)
    with open_source(served.location, served.etag) as reader:
        reader.fileno()


def source_pin(image: Image) -> None:
    """Keep what this node has of the source, and will have, until it is unpinned; fetched in the background.

    Raises SourceError where that is not possible.
    """
    location = _shown_location(image)
    if not is_retrieved(location):
        return
    try:
        get_source_caches().pins.add(source_place(location))
    except OSError as error:
        raise SourceUnreachableError("The pin of the source could not be written.", str(error)) from error
    tiling = getattr(image, "tiling", None)
    if tiling is not None:
        get_prefetcher().request(location, tiling.etag)


def source_unpin(image: Image) -> None:
    """Let it go when room is needed. Raises SourceError where that cannot be written down."""
    try:
        for location in _locations(image):
            get_source_caches().pins.remove(source_place(location))
    except OSError as error:
        raise SourceUnreachableError("The pin of the source could not be removed.", str(error)) from error


def source_is_pinned(image: Image) -> bool:
    try:
        return get_source_caches().pins.has(source_place(_shown_location(image)))
    except (OSError, SourceError):
        return False


def source_forget(image: Image) -> None:
    """Remove all that this node has of the source; the source itself is not touched. Raises SourceError."""
    for location in _locations(image):
        get_source_caches().discard(source_place(location))


def _shown_location(image: Image) -> Location:
    """Of what is shown, else of what the record names."""
    tiling = getattr(image, "tiling", None)
    return image_location(image) if tiling is None else tiling_location(tiling)


def _locations(image: Image) -> list[Location]:
    """Of both, where they are not the same."""
    return [image_location(image), *([_shown_location(image)] if image.shows_earlier_source else [])]


def source_fills() -> list[FillProgress]:
    """Whole sources that are on their way into this process's node, with the bytes so far."""
    return get_source_caches().objects.progress()
