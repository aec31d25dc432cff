"""Ingest: stat, sniff, read the structure, prove it by decoding, commit one version. Idempotent; runs in a worker."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from images.conf import conf
from images.decoders.errors import DecodeError, DecoderDiedError, OverloadedError
from images.decoders.execute import describe_inspected
from images.indexes.description import SourceDescription, SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.jp2.description import describe as describe_jp2
from images.indexes.parsing import run as run_parser
from images.indexes.sniff import sniff
from images.indexes.tiff.index import TiffIndex, describe_and_index
from images.models import Image, ImageState, Tiling
from images.queue import enqueue
from images.selectors.images import forget_served_image, image_location
from images.services.activities import activity_record
from images.services.copy_policy import copy_concerns
from images.services.decoding import get_runner
from images.services.indexing import index_source
from images.services.proof import prove, source_data
from images.services.registration import NO_FACTS
from images.sources.errors import SourceError
from images.sources.reader import ByteReader, SourceStat
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_HEAD_BYTES = 64
GIVEN_UP = ("poison", "quarantined")
"""Codes of images that ended what read them: the same bytes would do it again."""

_NATIVE_TILE_PIXELS = range(128, 1025)  # smaller means too many requests, larger too much for one


class IngestRetryError(Exception):
    """The source or a decoder could not be had just now; the image is pending again."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What was read of a source in one sitting. `index`: where its parts are, as it is stored, if it has one."""

    stat: SourceStat
    description: SourceDescription
    index: bytes | None


def image_ingest(pk: int) -> Image | None:
    """Read the source of a pending image and commit its next version, or why that failed.

    None where there is nothing to do: no such record, not pending, or in another worker's hands. Raises
    IngestRetryError where a later try may go better and some are left.
    """
    image = _claim(pk)
    if image is None:
        return None
    try:
        facts = _read_source(image)
    except (IndexingError, SourceError, DecodeError) as error:
        _give_up_or_try_again(image, error)
    else:
        _commit(image, facts)
    forget_served_image(image.identifier)
    return Image.objects.filter(pk=pk).first()


def _give_up_or_try_again(image: Image, error: IndexingError | SourceError | DecodeError) -> None:
    """Raises IngestRetryError where a later try may go better, unless this source has ended enough decoders."""
    deaths = image.decoder_deaths
    if isinstance(error, DecoderDiedError):
        deaths += 1 if deaths else 2  # the pool asks twice at first
    if deaths < conf.quarantine_deaths:
        if _is_transient(error) and image.attempts < conf.ingest_attempts:
            image_finish(image, state=ImageState.PENDING, decoder_deaths=deaths)
            raise IngestRetryError(str(error)) from error
        _fail(image, error)
        return
    if image.shows_earlier_source:
        logger.warning("The new source of image %s kept ending its decoder", image.identifier)
        detail = "Reading this source kept ending its decoder; it is not read again by itself."
        poison = {"error_code": "poison", "error_detail": detail, "error_technical": repr(error)}
        image_finish(image, state=ImageState.FAILED, decoder_deaths=0, **poison)
        return
    logger.error("Image %s is quarantined after %d decoder deaths", image.identifier, deaths)
    detail = "Reading this image kept ending its decoder; it is out of service until it is read again."
    quarantined = {"error_code": "quarantined", "error_detail": detail, "error_technical": repr(error)}
    image_finish(image, state=ImageState.FAILED, decoder_deaths=deaths, **quarantined)


def image_refresh(pk: int) -> bool:
    """Has the source changed since it was indexed? If so, ingest it anew. True where it had.

    A source that cannot be had just now has not changed: what is known of it stays. Raises IngestRetryError then.
    """
    image = Image.objects.select_related("store", "tiling").defer("tiling__index").filter(pk=pk).first()
    if image is None:
        return False
    tiling = getattr(image, "tiling", None)
    try:
        with open_source(image_location(image)) as reader:
            etag = reader.stat().etag
    except SourceError as error:
        if error.is_transient:
            raise IngestRetryError(str(error)) from error
        if image.state == ImageState.READY:
            logger.warning("The source of image %s cannot be read: %s", image.identifier, error)
            return False
        etag = ""
    Image.objects.filter(pk=pk).update(checked=timezone.now())
    known = "" if tiling is None or image.shows_earlier_source else tiling.etag
    if image.state == ImageState.READY and etag == known:
        return False
    is_given_up = image.error_code in GIVEN_UP or (image.state == ImageState.FAILED and image.shows_earlier_source)
    if is_given_up and etag and etag == (image.quarantined_etag or known):
        return False  # the same bytes would do the same; who thinks otherwise has them read again by hand
    changed = Image.objects.filter(pk=pk, state__in=(ImageState.READY, ImageState.FAILED)).update(
        state=ImageState.PENDING, state_changed=timezone.now(), attempts=0, decoder_deaths=0
    )
    if changed:
        image_ingest(pk)
    return True


def _claim(pk: int) -> Image | None:
    """Compare and set: only one worker gets a pending image, or one whose worker has been silent for too long."""
    now = timezone.now()
    stalled = Q(state=ImageState.PROCESSING, state_changed__lt=now - timedelta(seconds=conf.stalled_seconds))
    claimed = Image.objects.filter(Q(state=ImageState.PENDING) | stalled, pk=pk).update(
        state=ImageState.PROCESSING, state_changed=now, attempts=F("attempts") + 1
    )
    if not claimed:
        return None
    return Image.objects.select_related("store", "tiling").defer("tiling__index").filter(pk=pk).first()


def _read_source(image: Image) -> SourceFacts:
    with open_source(image_location(image)) as reader:
        stat = reader.stat()
        if image.attempts > 1 or image.shows_earlier_source:  # should they be given up, it is these bytes
            _owned(image).update(quarantined_etag=stat.etag)
        if stat.byte_size == 0:
            raise IndexingError("The file is empty.", code="not_an_image")
        if stat.byte_size > conf.source_max_bytes:
            detail = f"The file has {stat.byte_size:,} bytes; at most {conf.source_max_bytes:,} are allowed."
            raise IndexingError(detail, code="too_large")
        source_format = sniff(reader.read(0, min(_HEAD_BYTES, stat.byte_size)))
        if source_format not in conf.source_formats:
            detail = f"Sources in the format {source_format} are switched off on this server."
            raise IndexingError(detail, code="not_supported")
        once = {"once": True} if image.decoder_deaths else {}
        description, tiles = _describe(source_format, reader, stat, once)
        prove(description, reader, once)
        description, packets = index_source(description, reader)
        reader.verify()
        return SourceFacts(stat, description, tiles.to_bytes() if tiles is not None else packets)


def _describe(
    source_format: SourceFormat, reader: ByteReader, stat: SourceStat, once: Mapping[str, bool]
) -> tuple[SourceDescription, TiffIndex | None]:
    def read(start: int, length: int) -> bytes:
        length = max(0, min(length, stat.byte_size - start))
        return reader.read(start, length) if length else b""

    if source_format is SourceFormat.JP2:
        return run_parser(describe_jp2(stat.byte_size, conf.source_limits), read), None
    if source_format is SourceFormat.TIFF:
        return run_parser(describe_and_index(stat.byte_size, conf.source_limits), read)
    with source_data(reader) as data:
        found = json.loads(get_runner().run({"kind": "inspect", "format": source_format.value, **once}, data).read())
    description = describe_inspected(source_format, found)
    _require_pixels(description)
    return description, None


def _require_pixels(description: SourceDescription) -> None:
    """A source without tiles is decoded as a whole for every region, so its pixels are limited before the first one."""
    pixels, limit = description.width * description.height, conf.source_limits.max_pixels_untiled
    if pixels > limit:
        detail = (
            f"The image has {pixels:,} pixels; in the format {description.source_format}, which has no tiles, "
            f"at most {limit:,} are allowed. Convert it to a tiled pyramidal TIFF or to JPEG 2000."
        )
        raise IndexingError(detail, code="too_large")


def _commit(image: Image, facts: SourceFacts) -> None:
    """One transaction: the tiling of the new version and the record that names it. Then the old keys are dead."""
    description, now = facts.description, timezone.now()
    tile_width, tile_height = _tile_size(description)
    with transaction.atomic():
        current = Image.objects.select_for_update().values_list("version", flat=True).filter(pk=image.pk).first()
        if current is None:
            return  # it was deleted meanwhile
        version = current + 1
        committed = image_finish(
            image,
            state=ImageState.READY,
            version=version,
            attempts=0,
            decoder_deaths=0,
            quarantined_etag="",
            width=description.width,
            height=description.height,
            source_format=description.source_format.value,
            source_byte_size=facts.stat.byte_size,
            error_code="",
            error_detail="",
            error_technical="",
        )
        if not committed:
            return  # another worker took over in the meantime
        activity_record(image.pk)
        Tiling.objects.update_or_create(
            image_id=image.pk,
            defaults={
                "store_id": image.store_id,
                "key": image.key,
                "url": image.url,
                "version": version,
                "schema": Tiling.SCHEMA,
                "etag": facts.stat.etag,
                "tile_width": tile_width,
                "tile_height": tile_height,
                "description": description.to_json(),
                "index": facts.index,
                "created": _source_time(facts.stat, now),
            },
        )
        if current:
            enqueue("images.discard_derivatives", image.uuid.hex, version)
        enqueue("images.thumbnails", image.pk)
        if copy_concerns(image.pk):
            enqueue("images.service_copy_settle", image.pk)


def _source_time(_stat: SourceStat, now: datetime) -> datetime:
    return now.replace(microsecond=0)


def _tile_size(description: SourceDescription) -> tuple[int, int]:
    """The source's own tiles where viewers can use them (square, neither tiny nor huge), else IIIF_TILE_SIZE.

    Parts of a JPEG 2000 tile are decoded alone, so large ones need not be asked for whole.
    """
    level = description.levels[0]
    native = level.tile_width
    is_large = description.source_format is SourceFormat.JP2 and native is not None and native > conf.tile_size
    if native and native == level.tile_height and native in _NATIVE_TILE_PIXELS and not is_large:
        return native, native
    return conf.tile_size, conf.tile_size


def _is_transient(error: Exception) -> bool:
    """Whether the same try may go better later without anybody changing anything."""
    if isinstance(error, OverloadedError | DecoderDiedError):
        return True
    if isinstance(error, DecodeError):
        return error.code == "out_of_time"  # a busy machine
    return isinstance(error, SourceError) and error.is_transient


def _fail(image: Image, error: IndexingError | SourceError | DecodeError) -> None:
    logger.warning("Image %s could not be ingested: %s", image.identifier, error)
    # What was indexed before no longer describes the source, if that was read just now and is something else.
    is_new = isinstance(error, IndexingError | DecodeError) and not _is_transient(error)
    is_something_else = is_new and not image.shows_earlier_source
    with transaction.atomic():
        failed = image_finish(
            image,
            state=ImageState.FAILED,
            error_code=error.code,
            error_detail=error.detail,
            error_technical=getattr(error, "technical", "") or repr(error.__cause__ or error),
            **(NO_FACTS if is_something_else else {}),
            **({"quarantined_etag": ""} if image.shows_earlier_source and not is_new else {}),  # worth another look
        )
        if failed and is_something_else:
            Tiling.objects.filter(image_id=image.pk).delete()


def image_finish(image: Image, **values: object) -> bool:
    """Write the outcome, unless the image was taken over since it was claimed. False where it was."""
    now = timezone.now()
    return bool(_owned(image).update(state_changed=now, modified=now, **values))


def _owned(image: Image) -> QuerySet[Image]:
    """The image, unless it was taken over since it was claimed."""
    return Image.objects.filter(pk=image.pk, state=image.state, state_changed=image.state_changed)
