from django.db import models
from django.utils.translation import gettext_lazy as _

from images.models.image import HAS_ONE_SOURCE, Image
from images.models.store import Store


class Tiling(models.Model):
    """The inside of the current version of an image's source, as read at ingest.

    `store`, `key` and `url` say which source that is, as in `Image`: it is served until another one that the record
    names by now has been read.
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
    store = models.ForeignKey(Store, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("store"))
    key = models.CharField(_("key"), max_length=1000, blank=True)
    url = models.URLField(_("URL"), max_length=2000, blank=True)
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
        constraints = [models.CheckConstraint(name="tiling_has_one_source", condition=HAS_ONE_SOURCE)]

    def __str__(self) -> str:
        return f"{self.image} v{self.version}"
