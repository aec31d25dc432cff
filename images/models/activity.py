from django.db import models
from django.utils.translation import gettext_lazy as _


class ActivityKind(models.TextChoices):
    """The types of Change Discovery 1.0 §2.2 that a server of images has."""

    CREATE = "Create", _("Created")
    UPDATE = "Update", _("Changed")
    DELETE = "Delete", _("Deleted")


class Activity(models.Model):
    """A change of what the public sees of an image; rows are only added.

    `uuid` is that of the image, whose record may be gone; `digest` sums up what was public after the change.
    """

    kind = models.CharField(_("kind"), max_length=10, choices=ActivityKind)
    identifier = models.CharField(_("identifier"), max_length=500)
    uuid = models.UUIDField(_("UUID"))
    digest = models.CharField(_("digest"), max_length=64, blank=True)
    moment = models.DateTimeField(_("moment"), auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        indexes = [models.Index(fields=["uuid", "-id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.identifier}"
