"""The curators' pages for collections."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from images.models import Collection
from images.selectors.paging import count_images
from images.services.collections import collection_delete, collection_save


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin[Collection]):
    list_display = ("name", "label", "service_copy_policy", "image_count")
    list_filter = ("service_copy_policy",)
    search_fields = ("name", "label")

    def save_model(self, _request: HttpRequest, obj: Collection, form: Any, _change: bool) -> None:  # noqa: FBT001
        collection_save(obj, form.changed_data)

    def delete_model(self, _request: HttpRequest, obj: Collection) -> None:
        collection_delete(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return super().get_queryset(request).annotate(counted_images=count_images("collection"))

    @admin.display(description=_("images"), ordering="counted_images")
    def image_count(self, collection: Any) -> int:
        return int(collection.counted_images)
