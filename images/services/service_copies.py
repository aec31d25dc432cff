"""Making service copies: from the source itself, in one pass, committed in one step. Idempotent; runs in a worker."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images.conf import conf
from images.decoders.errors import DecodeError, DecoderDiedError, OverloadedError
from images.decoders.plan import plan
from images.decoders.service_copy_plan import (
    CopyPlan,
    measured_byte_size,
    measured_requests,
    rough_byte_size,
    with_quality,
)
from images.iiif.geometry import Size
from images.iiif.tiles import tile_set
from images.indexes.description import SourceDescription
from images.indexes.errors import IndexingError
from images.models import CopyPolicy, Image, ImageState, ServiceCopy, ServiceCopyState, Tiling
from images.queue import enqueue
from images.selectors.images import ServedImage, forget_served_image, get_served_image
from images.services.copy_files import CopyStorageError, MadeCopy, copy_discard, copy_write, orphans_remove
from images.services.copy_policy import copy_forget_bytes, copy_request, images_without_copy
from images.services.decoding import get_runner
from images.services.proof import source_data
from images.sources.errors import SourceChangedError, SourceError, SourceNotFoundError
from images.sources.registry import open_source

logger = logging.getLogger(__name__)

_BEAT_SECONDS = 20.0


class ServiceCopyRetryError(Exception):
    """The source, a decoder or the storage could not be had just now; the copy is pending again."""


@dataclass(slots=True)
class _Claim:
    """A copy that this worker makes, for as long as nobody else has taken it over."""

    copy_pk: int
    version: int
    attempts: int
    moment: datetime

    def beat(self) -> bool:
        """Say that the work goes on; False where it was taken over."""
        now = timezone.now()
        if now - self.moment < timedelta(seconds=_BEAT_SECONDS):
            return True
        kept = self.finish(state_changed=now)
        self.moment = now
        return kept

    def finish(self, **values: object) -> bool:
        owned = ServiceCopy.objects.filter(
            pk=self.copy_pk, state=ServiceCopyState.MAKING, state_changed=self.moment, version=self.version
        )
        return bool(owned.update(**{"state_changed": timezone.now(), **values}))


def service_copy_make(pk: int) -> ServiceCopy | None:
    """Make the copy of the image's current version that was asked for, or that its policy wants.

    None where there is nothing to do: there is one, it has failed before, or another worker makes it. One that waits
    while this process is making another is queued when that is done. Raises ServiceCopyRetryError where a later try
    may go better and some are left.
    """
    image = Image.objects.select_related("collection").filter(pk=pk, state=ImageState.READY).first()
    claim = None if image is None else _claim(image)
    if image is None or claim is None:
        return None
    try:
        forget_served_image(image.identifier)
        served = get_served_image(image.identifier)
        if served.version != claim.version:
            raise SourceChangedError("The source was read anew in this moment.")
        made = copy_write(served, copy_plan(served), claim.beat)
    except OverloadedError:  # that was no attempt
        claim.finish(state=ServiceCopyState.PENDING, attempts=claim.attempts - 1)
        return None
    except (SourceError, DecodeError, IndexingError, CopyStorageError, LookupError) as error:
        _enqueue_next()
        _fail(image, claim, error)
    else:
        _commit(claim, made)
        _enqueue_next()
    forget_served_image(image.identifier)
    return ServiceCopy.objects.defer("index").filter(pk=claim.copy_pk).first()


def copy_plan(served: ServedImage) -> CopyPlan:
    """The copy that the settings ask for. Its tiles are those of the image's info.json."""
    return CopyPlan(served.description, _tile(served), conf.service_copy_options)


def _tile(served: ServedImage) -> int:
    return tile_set(served.full, served.tile, served.limits).size.width


def copy_rough_byte_size(tiling: Tiling) -> int:
    """What a copy is expected to take, before anything is read; see ROUGH_FACTOR."""
    description = SourceDescription.from_json(tiling.description)
    return rough_byte_size(
        Size(description.width, description.height),
        tiling.tile_width,
        conf.service_copy_options.quality,
        is_grayscale=description.is_grayscale,
    )


def copy_measured_byte_size(served: ServedImage) -> int:
    """What a copy will take, from samples of the image that are encoded as it will be; see MEASURED_FACTOR.

    Raises SourceError and DecodeError.
    """
    copy = copy_plan(served)
    pixels = byte_size = 0
    with open_source(served.location, etag=served.etag) as reader, source_data(reader) as data:
        for sample in measured_requests(copy):
            request = with_quality(sample, copy.options)
            planned = plan(served.description, request, memory_limit=conf.decode_memory_limit_bytes)
            byte_size += len(get_runner().run({"kind": "render", "plan": planned.to_json()}, data).read())
            pixels += request.size.area
    return measured_byte_size(copy.full, copy.tile, byte_size * 8 / pixels)


def _claim(image: Image) -> _Claim | None:
    """Compare and set, so that only one worker makes it. A record of an older version begins anew."""
    now = timezone.now()
    with transaction.atomic():
        copy = ServiceCopy.objects.select_for_update().defer("index").filter(image=image).first()
        if copy is None or copy.version != image.version:
            if image.effective_copy_policy == CopyPolicy.NEVER:
                return None
            copy_request(image.pk, queue=False)
            copy = ServiceCopy.objects.defer("index").get(image=image)
        is_stalled = copy.state_changed < now - timedelta(seconds=conf.stalled_seconds)
        if copy.state != ServiceCopyState.PENDING and not (copy.state == ServiceCopyState.MAKING and is_stalled):
            return None
        tiling = Tiling.objects.defer("index").filter(image=image, version=image.version).first()
        if tiling is None:
            return None
        values = {"state": ServiceCopyState.MAKING, "state_changed": now, "attempts": F("attempts") + 1}
        estimated = copy_rough_byte_size(tiling)
        ServiceCopy.objects.filter(pk=copy.pk).update(**values, estimated_byte_size=estimated)
    return _Claim(copy.pk, image.version, copy.attempts + 1, now)


def _enqueue_next() -> None:
    """The one that has waited longest; one that was begun before has a time of its own."""
    waiting = ServiceCopy.objects.filter(state=ServiceCopyState.PENDING, attempts=0, image__state=ImageState.READY)
    pk = waiting.order_by("state_changed").values_list("image_id", flat=True).first()
    if pk is not None:
        enqueue("images.service_copy_make", pk)


def _commit(claim: _Claim, made: MadeCopy | None) -> None:
    """One transaction: the record names the new copy. What it named before goes, or the new one where it comes late."""
    if made is None:
        return
    now = timezone.now()
    try:
        with transaction.atomic():
            old = ServiceCopy.objects.select_for_update().defer("index").filter(pk=claim.copy_pk).first()
            is_current = Image.objects.filter(service_copy=claim.copy_pk, version=claim.version).exists()
            values = {name: getattr(made, name) for name in MadeCopy.__slots__}
            ready = {"state": ServiceCopyState.READY, "schema": ServiceCopy.SCHEMA, "created": now}
            if old is None or not is_current or not claim.finish(**values, **ready, error_code="", error_detail=""):
                enqueue("images.service_copy_discard", made.storage, made.name)
                return
            if old.name:
                enqueue("images.service_copy_discard", old.storage, old.name)
            enqueue("images.thumbnails", old.image_id)  # they have other names now
    except BaseException:
        copy_discard(made.storage, made.name)
        raise


def _fail(image: Image, claim: _Claim, error: Exception) -> None:
    """Try again later what may go better then; else say why there is no copy. Raises ServiceCopyRetryError."""
    detail = str(getattr(error, "detail", "") or error)
    if isinstance(error, SourceChangedError | SourceNotFoundError):
        enqueue("images.refresh", image.pk)
    if _is_transient(error) and claim.attempts < conf.ingest_attempts:
        claim.finish(state=ServiceCopyState.PENDING, error_detail=detail)
        raise ServiceCopyRetryError(detail) from error
    logger.warning("No service copy of image %s: %s", image.identifier, error)
    code = getattr(error, "code", "failed")
    with transaction.atomic():
        if claim.finish(state=ServiceCopyState.FAILED, error_code=code, error_detail=detail):
            copy_forget_bytes(image.pk)


def _is_transient(error: Exception) -> bool:
    if isinstance(error, DecoderDiedError | CopyStorageError):
        return True
    return isinstance(error, SourceError) and (error.is_transient or isinstance(error, SourceNotFoundError))


# --- Housekeeping -----------------------------------------------------------------------------------------------------

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CopySweep:
    """How many were queued again, settled after a change, and removed because no record names them."""

    requeued: int
    settled: int
    removed: int


def service_copies_sweep() -> CopySweep:
    """Queue again what a crash has stopped, settle what a lost task has left, remove what nobody needs."""
    before = timezone.now() - timedelta(seconds=conf.stalled_seconds)
    unfinished = (ServiceCopyState.PENDING, ServiceCopyState.MAKING)
    stalled = ServiceCopy.objects.filter(state__in=unfinished, state_changed__lt=before)
    stopped = stalled.filter(state=ServiceCopyState.MAKING, attempts__gte=conf.ingest_attempts)
    detail = "The server stopped several times while it made this copy."
    stopped.update(state=ServiceCopyState.FAILED, error_code="poison", error_detail=detail)
    wanted = stalled.filter(image__state=ImageState.READY)
    requeued = list(wanted.values_list("image_id", flat=True)[:_AT_ONCE])
    ServiceCopy.objects.filter(image_id__in=requeued).update(
        state=ServiceCopyState.PENDING, state_changed=timezone.now()
    )
    for pk in requeued:
        enqueue("images.service_copy_make", pk)
    return CopySweep(len(requeued), _settle_what_was_left(), orphans_remove())


def _settle_what_was_left() -> int:
    finished = ServiceCopy.objects.filter(state__in=(ServiceCopyState.READY, ServiceCopyState.FAILED))
    superseded = list(finished.exclude(version=F("image__version")).values_list("image_id", flat=True)[:_AT_ONCE])
    superseded += images_without_copy().values_list("pk", flat=True)[:_AT_ONCE]
    for pk in superseded:
        enqueue("images.service_copy_settle", pk)
    outdated = list(finished.filter(schema__lt=ServiceCopy.SCHEMA).values_list("image_id", flat=True)[:_AT_ONCE])
    for pk in outdated:
        copy_request(pk)
    return len(superseded) + len(outdated)
