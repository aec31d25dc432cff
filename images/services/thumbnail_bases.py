"""Which requests are answered from a small raster of the whole image, and that raster.

Such an answer opens no source: not where it was asked for before, nor where another size, format, quality or rotation
was. The raster is made when an image was read, and again where it is missing.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator

from caching.derivatives import Production, get_derivative_cache
from caching.keys import DerivativeKey
from images.conf import conf
from images.decoders import thumbnails
from images.decoders.errors import UnsupportedSourceError
from images.decoders.plan import DecodePlan
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.iiif.geometry import Region, Size
from images.iiif.thumbnails import base_size, is_reached
from images.indexes.description import Level, SourceFormat
from images.selectors.images import ServedImage
from images.services.decoding import get_runner
from images.services.indexing import decoder_input
from images.services.splicing import holds_jpeg
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_REMEMBERED = 10_000
_unkept: OrderedDict[tuple[str, int], None] = OrderedDict()
_unkept_lock = threading.Lock()


def find_base_size(served: ServedImage, request: RenderRequest) -> Size | None:
    """The size of the raster that answers the request; None where something else does. Pure.

    Small levels of JPEG 2000 that are kept, stored tiles of local files and service copies are at least as good. So
    are local files that are no larger than the raster.
    """
    boxes = served.profile.thumbnail_boxes
    full = served.full
    if request.region != Region(0, 0, full.width, full.height) or not boxes:
        return None
    base = base_size(full, boxes)
    is_local = served.location.kind == "filesystem"
    if not is_reached(request.size, base, conf.thumbnail_upscale_percent) or (base == full and is_local):
        return None
    if served.copy_fingerprint or _has_level(served, request) or (is_local and _is_stored(served, request)):
        return None
    return base if get_derivative_cache().keeps else None


def thumbnail_fingerprint(served: ServedImage, request: RenderRequest) -> str:
    """What an answer from the raster adds to the name of its bytes; nothing for others."""
    base = find_base_size(served, request)
    return "" if base is None else f",thumbnail={base.width}x{base.height}r{thumbnails.REVISION}"


def find_base(served: ServedImage, request: RenderRequest) -> tuple[DecodePlan, SourceData] | None:
    """The raster, made now if it is not there, and the plan for it; None where it does not answer, or can't be kept.

    Raises SourceError and DecodeError.
    """
    base = find_base_size(served, request)
    if base is None or (served.uuid, served.version) in _unkept:
        return None
    planned = thumbnails.plan_base(
        served.description, base, served.profile.layer_policy, conf.decode_memory_limit_bytes
    )
    key = DerivativeKey(served.uuid, served.version, thumbnails.base_name(base), f"layers={planned.layers}")
    try:
        kept = get_derivative_cache().get_or_create(
            key, lambda: Production(thumbnails.MEDIA_TYPE, _decode_base(served, planned))
        )
    except UnsupportedSourceError as error:
        logger.debug("No thumbnails are kept of %s: %s", served.identifier, error)
        _note_unkept(served)
        return None
    return thumbnails.plan_from_base(served.description, base, request), SourceData(data=b"".join(kept.chunks))


def _decode_base(served: ServedImage, planned: DecodePlan) -> Iterator[bytes]:
    """Decode from a source that is pinned to the version."""
    with (
        open_source(served.location, etag=served.etag) as reader,
        decoder_input(served, planned, reader) as (carried_out, data),
    ):
        body = get_runner().run(thumbnails.base_job(carried_out), data).read()
        reader.verify()
    yield body


def _has_level(served: ServedImage, request: RenderRequest) -> bool:
    """Whether a level that is kept (see `levels`) has a pixel for each that is asked for."""
    if served.description.source_format is not SourceFormat.JP2:
        return False
    return any(
        max(level.width, level.height) <= conf.kept_level_size
        and level.width >= request.size.width
        and level.height >= request.size.height
        for level in served.description.levels
    )


def _is_stored(served: ServedImage, request: RenderRequest) -> bool:
    """Whether the answer may be one stored JPEG tile."""
    is_plain = request.format == "jpg" and request.quality == "default" and not request.mirrored
    if not is_plain or float(request.degrees) or not holds_jpeg(served):
        return False
    return any(_is_one_tile(level, request.size) for level in served.description.levels)


def _is_one_tile(level: Level, size: Size) -> bool:
    has_room = (level.tile_width or 0) >= level.width and (level.tile_height or 0) >= level.height
    return has_room and (level.width, level.height) == (size.width, size.height)


def _note_unkept(served: ServedImage) -> None:
    with _unkept_lock:
        _unkept[served.uuid, served.version] = None
        if len(_unkept) > _REMEMBERED:
            _unkept.popitem(last=False)
