"""Whatever changes a record is told to all processes, whoever made the change; see `caching.bus`."""

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from images.models import Collection, Image, Profile, Store
from images.selectors.images import forget_deleted_image, forget_served_image, forget_served_images


@receiver(post_save, sender=Image, dispatch_uid="images.services.announcing.image")
def _announce_image(instance: Image, **_kwargs: object) -> None:
    forget_served_image(instance.identifier)


@receiver(post_delete, sender=Image, dispatch_uid="images.services.announcing.deleted")
def _announce_deletion(instance: Image, **_kwargs: object) -> None:
    forget_deleted_image(instance.identifier, instance.uuid.hex)


@receiver((post_save, post_delete), sender=Store, dispatch_uid="images.services.announcing.store")
@receiver((post_save, post_delete), sender=Profile, dispatch_uid="images.services.announcing.profile")
@receiver((post_save, post_delete), sender=Collection, dispatch_uid="images.services.announcing.collection")
def _announce_all(**_kwargs: object) -> None:
    """Many images hang on it: where they lie, what is answered, whether they have service copies."""
    forget_served_images()
