"""What falls due or was left behind: sources to be looked at again, images whose reading came to no end."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from images.conf import conf
from images.models import Image, ImageState, Store, Tiling
from images.queue import Queue, enqueue_many
from images.services.ingest import GIVEN_UP, image_finish

_REQUEUE_AT_ONCE = 500  # a tick of beat a minute; more would only wait in the broker instead of in the database
_LOOK_AGAIN = timedelta(hours=1)
_SHARES = 16  # of the images of a store, each of which falls due at another time
_SPREAD = 0.1  # of the time for which a version may be trusted
_KNOWN_TO_FAIL = ~Q(quarantined_etag="") & Q(tiling__isnull=False)
_RECOVERABLE = ("source_not_found", "source_unreachable", "source_forbidden")


def images_refresh_due() -> int:
    """Queue a look at the sources whose stores say how long a version may be trusted, the longest unseen first.

    So many at a time that stores are not flooded; the others follow. Returns how many.
    """
    now = timezone.now()
    due: list[int] = []
    for store in Store.objects.filter(is_enabled=True, freshness_seconds__gt=0):
        stale = Image.objects.filter(store=store, state=ImageState.READY).alias(share=F("pk") % _SHARES)
        stale = stale.filter(_is_due(now, store.freshness_seconds)).order_by(F("checked").asc(nulls_first=True), "pk")
        due += stale.values_list("pk", flat=True)[: conf.refresh_at_once]
    with transaction.atomic():
        Image.objects.filter(pk__in=due).update(checked=now)
        enqueue_many("images.refresh", [(pk,) for pk in due], queue=Queue.BULK)
    return len(due)


def _is_due(now: datetime, seconds: int) -> Q:
    """Within the last tenth of its time, each share of the images (by their numbers) at a moment of its own.

    So what was registered in one minute does not fall due in one minute, and less so each time. The expression needs
    `share`.
    """
    found = Q()
    for share in range(_SHARES):
        before = now - timedelta(seconds=seconds * (1 - _SPREAD * share / _SHARES))
        found |= Q(share=share) & (Q(checked__lt=before) | Q(checked__isnull=True, modified__lt=before))
    return found


def images_requeue_stalled() -> int:
    """Queue again what has waited or been worked at for too long: a broker or worker died. Returns how many."""
    stalled_before = timezone.now() - timedelta(seconds=conf.stalled_seconds)
    stalled = Image.objects.filter(
        state__in=(ImageState.PENDING, ImageState.PROCESSING), state_changed__lt=stalled_before
    )
    for image in stalled.filter(attempts__gte=conf.ingest_attempts)[:1000]:
        detail = f"The server stopped {image.attempts} times while it was reading this image."
        image_finish(image, state=ImageState.FAILED, error_code="poison", error_detail=detail, error_technical="")
    waiting = stalled.filter(state=ImageState.PENDING, attempts__lt=conf.ingest_attempts)
    requeued = list(waiting.values_list("pk", flat=True)[:_REQUEUE_AT_ONCE])
    Image.objects.filter(pk__in=requeued).update(state=ImageState.PENDING, state_changed=timezone.now())
    fresh = _outdated() + _recoverable()
    Image.objects.filter(pk__in=fresh).update(state=ImageState.PENDING, state_changed=timezone.now(), attempts=0)
    suspects = _next_suspect(stalled_before)
    enqueue_many("images.ingest", [(pk,) for pk in requeued + suspects])
    enqueue_many("images.ingest", [(pk,) for pk in fresh], queue=Queue.BULK)
    replacements = _failed_replacements()
    Image.objects.filter(pk__in=replacements).update(checked=timezone.now())
    enqueue_many("images.refresh", [(pk,) for pk in replacements], queue=Queue.BULK)
    return len(requeued) + len(suspects) + len(fresh) + len(replacements)


def _next_suspect(stalled_before: datetime) -> list[int]:
    """One of the images that a worker had in hand when it died: which of them ended it is not known.

    They are read one at a time, so that one that ends workers takes none of the others with it time and again. The
    state stays as it is: whoever claims it sees by its time that it is nobody's.
    """
    in_hand = Image.objects.filter(state=ImageState.PROCESSING)
    if in_hand.filter(attempts__gt=1, state_changed__gte=stalled_before).exists():
        return []
    left = in_hand.filter(state_changed__lt=stalled_before, attempts__lt=conf.ingest_attempts)
    return list(left.order_by("state_changed").values_list("pk", flat=True)[:1])


def _outdated() -> list[int]:
    """Images that were indexed by an older version of this program, in a form that is no longer read."""
    outdated = Image.objects.filter(state=ImageState.READY, tiling__schema__lt=Tiling.SCHEMA)
    return list(outdated.values_list("pk", flat=True)[:_REQUEUE_AT_ONCE])


def _recoverable() -> list[int]:
    """Images that failed because their source could not be had: a share that was away comes back by itself.

    So do those that were served before: a web server may deliver a page for a while in the place of the picture.
    """
    before = timezone.now() - _LOOK_AGAIN
    failed = Image.objects.filter(state=ImageState.FAILED, state_changed__lt=before)
    failed = failed.exclude(error_code__in=GIVEN_UP).exclude(_KNOWN_TO_FAIL)
    failed = failed.filter(Q(error_code__in=_RECOVERABLE) | Q(version__gt=0))
    return list(failed.values_list("pk", flat=True)[:_REQUEUE_AT_ONCE])


def _failed_replacements() -> list[int]:
    """Images whose new source is no image: it is read again when it has other bytes, and the earlier one is shown."""
    before = timezone.now() - _LOOK_AGAIN
    failed = Image.objects.filter(_KNOWN_TO_FAIL, state=ImageState.FAILED, state_changed__lt=before)
    failed = failed.exclude(error_code__in=GIVEN_UP).filter(Q(checked__isnull=True) | Q(checked__lt=before))
    return list(failed.values_list("pk", flat=True)[:_REQUEUE_AT_ONCE])
