import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from images.models.image import Image
from images.models.token import ApiToken


class BatchState(models.TextChoices):
    RUNNING = "running", _("Being registered")
    REGISTERED = "registered", _("Registered")
    CANCELLED = "cancelled", _("Cancelled")
    UNDOING = "undoing", _("Being undone")
    UNDONE = "undone", _("Undone")


class RowState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    DONE = "done", _("Registered")
    REFUSED = "refused", _("Refused")
    CANCELLED = "cancelled", _("Cancelled")
    UNDONE = "undone", _("Undone")


class Batch(models.Model):
    """Many images that were registered together. `replaces`: another source of a known identifier takes its place.

    `resumed`: when what had failed was last tried again. `state_changed` is also the sign of life of the worker that
    goes through the rows. `token` is the one that it was sent with.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    label = models.CharField(_("label"), max_length=200, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=BatchState, default=BatchState.RUNNING)
    state_changed = models.DateTimeField(_("state changed"))
    total = models.PositiveIntegerField(_("rows"), default=0)
    replaces = models.BooleanField(_("replaces sources"), default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("created by")
    )
    token = models.ForeignKey(
        ApiToken, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("token")
    )
    created = models.DateTimeField(_("created"))
    resumed = models.DateTimeField(_("resumed"), null=True, blank=True)

    class Meta:
        ordering = ["-created", "-pk"]
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = [
            models.Index(fields=["state", "state_changed"], name="batch_by_state"),
            models.Index(fields=["-created"], name="batch_by_age"),
        ]

    def __str__(self) -> str:
        return self.label or str(self.pk)


class BatchRow(models.Model):
    """One image of a batch. `number` counts from 1, in a table the line; `values` is a `services.batch_rows.Row`.

    `made`: the image was not there before, so that undoing removes it. `image` is empty before, and after the image is
    gone. What became of the image itself is the image's state.
    """

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rows", verbose_name=_("batch"))
    number = models.PositiveIntegerField(_("number"))
    identifier = models.CharField(_("identifier"), max_length=500)
    values = models.JSONField(_("values"))
    state = models.CharField(_("state"), max_length=20, choices=RowState, default=RowState.WAITING)
    image = models.ForeignKey(Image, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("image"))
    made = models.BooleanField(_("made"), default=False)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error_detail = models.TextField(_("reason"), blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("row of a batch")
        verbose_name_plural = _("rows of a batch")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="batch_row_number")]
        indexes = [models.Index(fields=["batch", "state", "number"], name="batch_row_by_state")]

    def __str__(self) -> str:
        return f"{self.number}: {self.identifier}"
