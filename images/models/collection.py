from django.db import models
from django.utils.translation import gettext_lazy as _

from images.models.profile import Profile


class CopyPolicy(models.TextChoices):
    """When a service copy is made of an image."""

    NEVER = "never", _("Never")
    ON_INGEST = "on_ingest", _("When the source is read")
    ON_FIRST_VIEW = "on_first_view", _("When the image is first looked at")


class Collection(models.Model):
    """A named group of images, as a curator arranges them."""

    name = models.SlugField(_("name"), unique=True, max_length=100)
    label = models.CharField(_("label"), max_length=500, blank=True)
    service_copy_policy = models.CharField(
        _("service copies"),
        max_length=20,
        choices=CopyPolicy,
        default=CopyPolicy.NEVER,
        help_text=_("Copies that are quick to serve, as pyramidal TIFFs with JPEG tiles. Never: existing ones go too."),
    )
    profile = models.ForeignKey(
        Profile,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="collections",
        verbose_name=_("compliance profile"),
        help_text=_("For images that have none of their own."),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("collection")
        verbose_name_plural = _("collections")

    def __str__(self) -> str:
        return self.label or self.name
