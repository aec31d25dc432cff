"""Removing what the caches hold of an image, without reading its source again.

The version goes up first: what is still being made of the old one lands under a name that nobody asks for any more, and
what other processes and nodes remember is out of reach for them too. Sources are never touched.
"""

from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from caching.derivatives import get_derivative_cache
from caching.eviction import Amount
from images.models import Image, ServiceCopy, ServiceCopyState, Tiling
from images.queue import enqueue
from images.selectors.images import forget_served_image
from images.services.source_copies import source_forget
from images.sources.errors import SourceError


def image_invalidate(image: Image, *, dry_run: bool = False) -> Amount:
    """Remove the derivatives of an image, and what this node keeps of a remote source. Raises CacheError."""
    cache = get_derivative_cache()
    if dry_run:
        return cache.discard_image(image.uuid.hex, dry_run=True)
    version = _raise_version(image)
    freed = cache.discard_image(image.uuid.hex, before_version=version)
    try:
        source_forget(image)
    except SourceError:
        return freed  # it names no place that anything could be kept of
    return freed


def _raise_version(image: Image) -> int:
    """The record, its tiling and its service copy say the new version together; the pixels are the same.

    A copy that is being made is made anew: whoever makes it cannot tell why the version went up.
    """
    with transaction.atomic():
        current = Image.objects.select_for_update().values_list("version", flat=True).filter(pk=image.pk).first() or 0
        if current == 0:
            return 1  # nothing was ever made of it
        Image.objects.filter(pk=image.pk).update(version=F("version") + 1)
        for model in (Tiling, ServiceCopy):
            model.objects.filter(image_id=image.pk, version=current).update(version=current + 1)
        being_made = ServiceCopy.objects.filter(image_id=image.pk, version=current + 1, state=ServiceCopyState.MAKING)
        if being_made.update(state=ServiceCopyState.PENDING, state_changed=timezone.now(), attempts=0):
            enqueue("images.service_copy_make", image.pk)
    forget_served_image(image.identifier)
    return current + 1


def derivatives_discard(uuid: str, before_version: int) -> Amount:
    """Remove what was made of older versions of an image, or of one that is gone (version 0). Raises CacheError."""
    return get_derivative_cache().discard_image(uuid, before_version=before_version or None)


@receiver(post_delete, sender=Image, dispatch_uid="images.services.invalidation")
def _discard_with_the_record(instance: Image, **_kwargs: object) -> None:
    if instance.version:
        enqueue("images.discard_derivatives", instance.uuid.hex, 0)
