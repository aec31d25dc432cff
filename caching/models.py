"""What the caches had counted, hour by hour."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class CacheSnapshot(models.Model):
    """Counters of a host at one moment, by spelled name (see `caching.counters.spelled`): what they had come to.

    `held`: bytes that its caches held then, by kind and name (see `caching.holdings.held_bytes`).
    """

    host = models.CharField(_("host"), max_length=255)
    taken = models.DateTimeField(_("taken"), db_index=True)
    counts = models.JSONField(_("counts"))
    held = models.JSONField(_("held bytes"), default=dict)

    class Meta:
        verbose_name = _("cache snapshot")
        verbose_name_plural = _("cache snapshots")
        ordering = ["-taken"]

    def __str__(self) -> str:
        return f"{self.host}, {self.taken:%Y-%m-%d %H:%M}"
