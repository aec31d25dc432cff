from django.db import models
from django.utils.translation import gettext_lazy as _

from images.models.image import Image


class ServiceCopyState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    MAKING = "making", _("Being made")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


class ServiceCopy(models.Model):
    """The service copy of one version of an image: made or to be made.

    `storage` is an alias of Django's STORAGES and `name` the object in it; both are empty until there is one. `etag`
    pins its bytes. `encoding` names what makes its pixels differ from another copy's (`CopyPlan.fingerprint`).
    `description` and `index` are `SourceDescription` and `CopyIndex` of the copy itself, in the form that `schema`
    numbers. `attempts` counts how often the copy of this version was begun.
    """

    SCHEMA = 1

    image = models.OneToOneField(Image, models.CASCADE, related_name="service_copy", verbose_name=_("image"))
    version = models.PositiveIntegerField(_("version"))
    state = models.CharField(
        _("state"), max_length=20, choices=ServiceCopyState, default=ServiceCopyState.PENDING, db_index=True
    )
    state_changed = models.DateTimeField(_("state changed"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error_detail = models.TextField(_("reason"), blank=True)
    estimated_byte_size = models.PositiveBigIntegerField(_("estimated bytes"), null=True, blank=True)
    byte_size = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    storage = models.CharField(_("storage"), max_length=100, blank=True)
    name = models.CharField(_("name"), max_length=500, blank=True)
    etag = models.CharField(_("ETag"), max_length=200, blank=True)
    encoding = models.CharField(_("encoding"), max_length=100, blank=True)
    schema = models.PositiveSmallIntegerField(_("schema"), default=SCHEMA)
    description = models.JSONField(_("description"), null=True, blank=True)
    index = models.BinaryField(_("index"), null=True, blank=True)
    created = models.DateTimeField(_("created"), null=True, blank=True)

    class Meta:
        verbose_name = _("service copy")
        verbose_name_plural = _("service copies")

    def __str__(self) -> str:
        return f"{self.image} v{self.version}"
