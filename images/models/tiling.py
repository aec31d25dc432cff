from django.db import models
from django.utils.translation import gettext_lazy as _

from images.models.image import Image


class Tiling(models.Model):
    """The inside of the current version of an image's source, as read at ingest.

    `description` is `images.indexes.description.SourceDescription` as JSON; `schema` is the number of its form, so that
    an older row is rebuilt instead of misread. `etag` pins the bytes that were described. `index` says where the pieces
    of a TIFF lie (`images.indexes.tiff.index.TiffIndex`) or the packets of a JPEG 2000 source
    (`images.indexes.jp2.packet_index.PacketIndex`), with a schema number of its own; NULL where there is nothing to
    say. That of a TIFF is written together with a new version: what is answered with it may have other bytes than
    what is answered without. It may be replaced by one of a later schema that finds the same; that of JPEG 2000 by any,
    since answers stay bit for bit the same. It may be long, so queries leave it out (`defer`) unless they need it.
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
