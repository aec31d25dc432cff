from django.db import models
from django.utils.translation import gettext_lazy as _

from images.models.image import Image


class Tiling(models.Model):
    """The inside of the current version of an image's source, as read at ingest.

    `description` is `images.indexes.description.SourceDescription` as JSON; `schema` is the number of its form, so that
    an older row is rebuilt instead of misread. `etag` pins the bytes that were described. `index`: where its packets or
    tiles are, compressed, with a schema number of its own; null where regions are decoded from the file itself.
    """

    SCHEMA = 1

    image = models.OneToOneField(Image, models.CASCADE, related_name="tiling", verbose_name=_("image"))
    version = models.PositiveIntegerField(_("version"))
    schema = models.PositiveSmallIntegerField(_("schema"), default=SCHEMA)
    etag = models.CharField(_("source ETag"), max_length=200)
    tile_width = models.PositiveIntegerField(_("tile width"))
    tile_height = models.PositiveIntegerField(_("tile height"))
    description = models.JSONField(_("description"))
    index = models.BinaryField(_("index"), null=True, blank=True)
    created = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("tiling")
        verbose_name_plural = _("tilings")

    def __str__(self) -> str:
        return f"{self.image} v{self.version}"
