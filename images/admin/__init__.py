from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.utils.translation import gettext_lazy as _

from images.admin.batches import BatchAdmin
from images.admin.collections import CollectionAdmin
from images.admin.images import ImageAdmin
from images.admin.jobs import JobAdmin
from images.admin.presentation import NamedQueryAdmin
from images.admin.profiles import ProfileAdmin
from images.admin.schedule import PeriodicTaskAdmin
from images.admin.searches import ShortSearchForm
from images.admin.stores import StoreAdmin
from images.admin.tokens import ApiTokenAdmin

__all__ = [
    "ApiTokenAdmin",
    "BatchAdmin",
    "CollectionAdmin",
    "ImageAdmin",
    "JobAdmin",
    "NamedQueryAdmin",
    "PeriodicTaskAdmin",
    "ProfileAdmin",
    "StoreAdmin",
]

admin.site.site_header = _("Image library: administration")
admin.site.site_title = _("Image library")
admin.site.index_title = _("Administration")

# Of every list: also those of users, groups and periodic tasks, whose classes are not ours.
ChangeList.search_form_class = ShortSearchForm
