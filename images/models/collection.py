from django.db import models
from django.utils.translation import gettext_lazy as _


class Collection(models.Model):
    """A named group of images, as a curator arranges them."""

    name = models.SlugField(_("name"), unique=True, max_length=100)
    label = models.CharField(_("label"), max_length=500, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("collection")
        verbose_name_plural = _("collections")

    def __str__(self) -> str:
        return self.label or self.name
