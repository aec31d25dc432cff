from django.db import models
from django.utils.translation import gettext_lazy as _


class OutboxEntry(models.Model):
    """A task that is to be sent: written in the transaction that needs it, removed when the broker has it.

    `queue` is empty for the one that the task's name is routed to.
    """

    task = models.CharField(_("task"), max_length=200)
    arguments = models.JSONField(_("arguments"), default=list)
    queue = models.CharField(_("queue"), max_length=50, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox")

    def __str__(self) -> str:
        return f"{self.task}{tuple(self.arguments)}"
