"""Which requests a service copy answers, what happens when it fails, and that one is wished for at the first view.

All of it is known from the record in memory: no query, no write, nothing opened.
"""

import logging
import threading
import time
from dataclasses import dataclass, field

from django.db import DatabaseError

from images.conf import conf
from images.decoders.errors import DamagedSourceError, DecoderDiedError, UnsupportedSourceError
from images.decoders.pass_through import PassThrough
from images.decoders.render import RenderRequest
from images.iiif.output import OutputFormat, Quality
from images.iiif.request import ResolvedRequest
from images.indexes.tiff.copy_index import Place, find_place
from images.indexes.tiff.splice import Frame
from images.queue import enqueue_aside
from images.selectors.images import ServedImage
from images.selectors.indexes import find_copy_index
from images.sources.errors import SourceError, SourceNotFoundError, SourceUnreachableError

logger = logging.getLogger(__name__)

_LOSSY = frozenset({OutputFormat.JPG, OutputFormat.WEBP, OutputFormat.AVIF, OutputFormat.PDF})
_OPAQUE = frozenset({OutputFormat.JPG, OutputFormat.PDF})
_THUMBNAIL_PIXELS = 400
_BROKEN_SECONDS = 60.0
_WISH_SECONDS = 60.0
_REMEMBERED = 10_000
_DEFAULT_DOTS_PER_INCH = 72


@dataclass(slots=True)
class _Moments:
    """When something was last done, by name; only so much is remembered. Thread-safe."""

    seconds: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _moments: dict[str, float] = field(default_factory=dict)

    def is_recent(self, name: str) -> bool:
        moment = self._moments.get(name)
        return moment is not None and time.monotonic() - moment < self.seconds

    def note(self, name: str) -> bool:
        """True where it was not done recently: then it is from now on."""
        with self._lock:
            if self.is_recent(name):
                return False
            if len(self._moments) >= _REMEMBERED:
                self._moments.clear()
            self._moments[name] = time.monotonic()
            return True

    def clear(self) -> None:
        with self._lock:
            self._moments.clear()


_given_up = _Moments(_BROKEN_SECONDS)
_wished = _Moments(_WISH_SECONDS)


def copy_fingerprint(served: ServedImage) -> str:
    """What an answer from a service copy adds to the name of its bytes; nothing for one from the source."""
    return f",copy={served.copy_fingerprint}" if served.copy_fingerprint else ""


def answering(served: ServedImage, resolved: ResolvedRequest) -> ServedImage:
    """The service copy where it answers this request, else the image itself. Pure but for what was given up.

    Lossless answers come from the source, and so do those that would lose something twice where
    IIIF_SERVICE_COPY_USE doesn't allow it.
    """
    copy = served.copy
    if copy is None or not _shows_the_same(served, copy, resolved) or _given_up.is_recent(copy.location.key):
        return served
    if find_copied_place(copy, resolved) is not None and conf.passes_through:
        return copy
    return copy if _may_be_encoded_again(copy, resolved) else served


def _shows_the_same(served: ServedImage, copy: ServedImage, resolved: ResolvedRequest) -> bool:
    """Its pixels are sRGB, and stand on the background that was chosen when it was made."""
    if resolved.format not in _LOSSY or resolved.quality is Quality.BITONAL:
        return False
    if served.profile.encoding.icc != "srgb" and served.description.has_icc_profile:
        return False
    if not served.description.has_alpha:
        return True
    background = served.profile.encoding.background.removeprefix("#")
    return resolved.format in _OPAQUE and copy.copy_fingerprint.endswith(f"b{background}")


def _may_be_encoded_again(copy: ServedImage, resolved: ResolvedRequest) -> bool:
    """Only from a file: other storages would have to send all of it to a decoder."""
    if copy.location.kind != "filesystem" or conf.service_copy_use == "tiles":
        return False
    region, size = resolved.region, resolved.size
    is_reduced = -(-region.width // 2) >= size.width and -(-region.height // 2) >= size.height
    return is_reduced or conf.service_copy_use == "lossy"


def find_copied_place(copy: ServedImage, resolved: ResolvedRequest) -> Place | None:
    """The tile of the copy that is the whole answer, if there is one."""
    is_plain = (
        resolved.format is OutputFormat.JPG
        and resolved.quality is Quality.DEFAULT
        and resolved.rotation.degrees == 0
        and not resolved.rotation.mirrored
    )
    tile = copy.description.levels[0].tile_width
    if not is_plain or not tile:
        return None
    return find_place(copy.full, tile, len(copy.description.levels), resolved.region, resolved.size)


def find_copied_piece(copy: ServedImage, resolved: ResolvedRequest, request: RenderRequest) -> PassThrough | None:
    """The same with where its bytes lie.

    Raises SourceNotFoundError where the record no longer names this copy, SourceUnreachableError where that can't be
    told just now.
    """
    place = find_copied_place(copy, resolved)
    if place is None:
        return None
    try:
        index = find_copy_index(copy)
    except DatabaseError as error:
        raise SourceUnreachableError("The index of the service copy cannot be had.", str(error)) from error
    wanted = index.piece_range(place) if index else None
    if index is None or wanted is None:
        raise SourceNotFoundError("The service copy is not there any more.", copy.location.key)
    level = index.tiles.levels[place.level]
    dots_per_inch = request.options.dots_per_inch or _DEFAULT_DOTS_PER_INCH
    frame = Frame(place.shown, place.shown, level.samples_per_pixel, dots_per_inch=dots_per_inch)
    return PassThrough((wanted,), place.level, place.column, place.row, frame, place.shown, level.jpeg_tables)


def copy_give_up(copy: ServedImage, error: Exception) -> bool:
    """For a while the source answers instead of this copy, and a worker makes another; False where that won't help.

    Only what blames the copy counts, not what was asked of it.
    """
    if not isinstance(error, SourceError | DamagedSourceError | UnsupportedSourceError | DecoderDiedError):
        return False
    if _given_up.note(copy.location.key):
        logger.warning("The service copy of image %s fails: %s", copy.identifier, error)
        if not isinstance(error, SourceUnreachableError):
            enqueue_aside("images.service_copy_remake", copy.pk, copy.location.key)
    return True


def copy_wish(served: ServedImage, resolved: ResolvedRequest) -> None:
    """At a view of an image whose copy is made on first view: ask for it, once in a while until it is there.

    Thumbnails are no views: the gallery and the admin show them of everything.
    """
    if not served.wants_copy or _is_thumbnail(served, resolved) or not _wished.note(f"{served.pk}-{served.version}"):
        return
    enqueue_aside("images.service_copy_make", served.pk)


def _is_thumbnail(served: ServedImage, resolved: ResolvedRequest) -> bool:
    is_whole = resolved.region.size == served.full
    return is_whole and max(resolved.size.width, resolved.size.height) <= _THUMBNAIL_PIXELS
