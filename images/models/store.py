from django.db import models
from django.utils.translation import gettext_lazy as _


class StoreKind(models.TextChoices):
    FILESYSTEM = "filesystem", _("Folder on this server")
    HTTP = "http", _("Web server")


class Store(models.Model):
    """A place that holds sources. A source is named by its store and a key below the store's root."""

    name = models.SlugField(_("name"), unique=True, max_length=100)
    kind = models.CharField(_("kind"), max_length=20, choices=StoreKind, default=StoreKind.FILESYSTEM)
    root = models.CharField(
        _("root"),
        max_length=1000,
        help_text=_("The folder, or the URL that every key is appended to. Nothing outside it can be reached."),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("store")
        verbose_name_plural = _("stores")

    def __str__(self) -> str:
        return self.name
