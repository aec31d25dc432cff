"""What hangs on an image, shown below its form."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from images.models import Image, ServiceCopy, Tiling


class ShownFormSet(BaseInlineFormSet[Any, Image, Any]):
    """Is only shown: whatever is sent with it, and however much has changed since, the image is saved."""

    def __init__(self, data: Any = None, files: Any = None, **options: Any) -> None:  # noqa: ARG002 - it is not read
        super().__init__(None, None, **options)

    def is_valid(self) -> bool:
        return True

    def save(self, commit: bool = True) -> list[Any]:  # noqa: ARG002, FBT001, FBT002 - as Django calls it
        self.new_objects, self.changed_objects, self.deleted_objects = [], [], []
        return []


class ServiceCopyInline(admin.StackedInline[ServiceCopy, Image]):
    model = ServiceCopy
    formset = ShownFormSet
    classes = ("collapse",)
    can_delete = False
    fields = (
        "state",
        "error_detail",
        "version",
        "estimated_byte_size",
        "byte_size",
        "encoding",
        "storage",
        "name",
        "created",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceCopy]:
        return super().get_queryset(request).defer("index", "description")

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class TilingInline(admin.StackedInline[Tiling, Image]):
    model = Tiling
    formset = ShownFormSet
    classes = ("collapse",)
    can_delete = False
    readonly_fields = ("version", "etag", "tile_width", "tile_height", "description", "created")
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tiling]:
        return super().get_queryset(request).defer("index")

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False
