from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from images.admin.images import CollectionAdmin, ImageAdmin, StoreAdmin, TilingInline

__all__ = ["CollectionAdmin", "ImageAdmin", "StoreAdmin", "TilingInline"]

admin.site.site_header = _("Image library: administration")
admin.site.site_title = _("Image library")
admin.site.index_title = _("Administration")
