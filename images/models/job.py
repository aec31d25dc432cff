from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class JobState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Job(models.Model):
    """Work on many images, done by a worker while its progress can be watched.

    `kind` names the runner (`images.services.job_running.KINDS`), `parameters` is what it is asked to do and `detail`
    what came of it, both JSON objects of the runner's own shape. `total`, `done` and `failed` count items; `done`
    includes those that failed, and `total` is 0 until it is known. `state_changed`: a running job's sign of life.
    """

    kind = models.CharField(_("kind"), max_length=50, db_index=True)
    state = models.CharField(_("state"), max_length=20, choices=JobState, default=JobState.PENDING)
    state_changed = models.DateTimeField(_("state changed"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    total = models.PositiveIntegerField(_("total"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    detail = models.JSONField(_("detail"), default=dict, blank=True)
    error_detail = models.TextField(_("reason"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("created by")
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    started = models.DateTimeField(_("started"), null=True, blank=True)
    finished = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        ordering = ["-created", "-pk"]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        indexes = [models.Index(fields=["state", "state_changed"], name="job_by_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
