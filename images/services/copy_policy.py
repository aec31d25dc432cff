"""Whether an image is to have a service copy, and what follows when that, or its source, has changed.

Here only records are written and tasks queued; `images.services.service_copies` makes the copies.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from images.conf import conf
from images.models import CopyPolicy, Image, ImageCopyPolicy, ImageState, ServiceCopy, ServiceCopyState
from images.queue import enqueue
from images.selectors.images import forget_served_image

_RECENT = timedelta(hours=1)
_FRESH = {"attempts": 0, "error_code": "", "error_detail": ""}


def copy_concerns(pk: int) -> bool:
    """Whether a new version of the image means anything for service copies: most images have none and want none."""
    wanted = Q(service_copy__isnull=False) | ~Q(
        service_copy_policy__in=(ImageCopyPolicy.INHERIT, ImageCopyPolicy.NEVER)
    )
    inherited = Q(service_copy_policy=ImageCopyPolicy.INHERIT, collection__isnull=False)
    inherited &= ~Q(collection__service_copy_policy=CopyPolicy.NEVER)
    return Image.objects.filter(wanted | inherited, pk=pk).exists()


def copy_request(pk: int, *, queue: bool = True) -> bool:
    """Have a copy made, whatever the policy says and whatever there is. False where the image is not ready.

    One that is made by hand stays until it is removed, the source changes or the policy becomes "never".
    """
    with transaction.atomic():
        image = Image.objects.select_for_update().filter(pk=pk, state=ImageState.READY).first()
        if image is None:
            return False
        copy_forget_bytes(pk, except_version=image.version)
        values = {
            "version": image.version,
            "state": ServiceCopyState.PENDING,
            "state_changed": timezone.now(),
            **_FRESH,
        }
        ServiceCopy.objects.update_or_create(image=image, defaults=values)
        if queue:
            enqueue("images.service_copy_make", pk)
    forget_served_image(image.identifier)
    return True


def copy_remove(pk: int) -> bool:
    """Serve from the source again; the copy's bytes go once that is committed. False where there is no copy."""
    copy = ServiceCopy.objects.select_related("image").defer("index").filter(image_id=pk).first()
    if copy is None:
        return False
    copy.delete()
    forget_served_image(copy.image.identifier)
    return True


def copy_forget_bytes(pk: int, *, except_version: int | None = None) -> None:
    """Of a record whose copy is of no use any more: its bytes go once that is committed."""
    useless = ServiceCopy.objects.exclude(name="").filter(image_id=pk)
    if except_version is not None:
        useless = useless.exclude(version=except_version)
    for storage, name in useless.values_list("storage", "name"):
        enqueue("images.service_copy_discard", storage, name)
    useless.update(storage="", name="", etag="", byte_size=None)


def copy_settle(pk: int) -> None:
    """After a new version or another policy: have a copy made or removed, or leave things as they are."""
    image = Image.objects.select_related("collection").filter(pk=pk).first()
    if image is None:
        return
    version = ServiceCopy.objects.filter(image_id=pk).values_list("version", flat=True).first()
    match image.effective_copy_policy:
        case CopyPolicy.NEVER:
            copy_remove(pk)
        case CopyPolicy.ON_INGEST:
            if version != image.version:
                copy_request(pk)
        case CopyPolicy.ON_FIRST_VIEW:
            if version is not None and version != image.version:
                copy_remove(pk)


def copy_remake(pk: int, name: str) -> None:
    """The copy of this name was missing, changed or damaged: make another, if it still is the one in use."""
    now = timezone.now()
    broken = ServiceCopy.objects.filter(image_id=pk, name=name, state=ServiceCopyState.READY)
    if broken.filter(created__gt=now - _RECENT, attempts__gte=conf.ingest_attempts).exists():
        detail = "The copy was missing, changed or damaged again and again, shortly after it was made."
        broken.update(state=ServiceCopyState.FAILED, state_changed=now, error_code="unstable", error_detail=detail)
        copy_forget_bytes(pk)
        return
    broken.filter(created__lte=now - _RECENT).update(attempts=0)
    if broken.update(state=ServiceCopyState.PENDING, state_changed=now):
        enqueue("images.service_copy_make", pk)


def collection_settle_copies(pk: int) -> None:
    """After the policy of a collection has changed."""
    images = Image.objects.filter(collection_id=pk, service_copy_policy=ImageCopyPolicy.INHERIT)
    for image_pk in images.values_list("pk", flat=True).iterator():
        enqueue("images.service_copy_settle", image_pk)


def images_without_copy() -> QuerySet[Image]:
    """Ready images that should have had a copy made when they were read."""
    wanted = Q(service_copy_policy=ImageCopyPolicy.ON_INGEST) | Q(
        service_copy_policy=ImageCopyPolicy.INHERIT, collection__service_copy_policy=CopyPolicy.ON_INGEST
    )
    return Image.objects.filter(wanted, state=ImageState.READY, service_copy__isnull=True)


@receiver(post_delete, sender=ServiceCopy, dispatch_uid="images.services.copy_policy")
def _discard_bytes(instance: ServiceCopy, **_kwargs: object) -> None:
    """With the record, also where its image was deleted, the bytes go."""
    if instance.name:
        enqueue("images.service_copy_discard", instance.storage, instance.name)
