"""The curators' pages for images, stores and collections."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from images.admin.forms import ImageForm
from images.iiif.identifiers import encode_identifier
from images.models import Collection, Image, ImageState, Store, Tiling
from images.queue import enqueue
from images.selectors.images import forget_served_image
from images.services.registration import image_reingest, image_save

_BADGES = {
    ImageState.READY: ("✓", "#1a7f37"),
    ImageState.FAILED: ("✗", "#b42318"),
    ImageState.PENDING: ("…", "#6b5900"),
    ImageState.PROCESSING: ("⟳", "#0b5cad"),
}


class TilingInline(admin.StackedInline[Tiling, Image]):
    model = Tiling
    can_delete = False
    readonly_fields = ("version", "etag", "tile_width", "tile_height", "description", "created")
    exclude = ("schema", "index")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tiling]:
        return super().get_queryset(request).defer("index")

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(Image)
class ImageAdmin(admin.ModelAdmin[Image]):
    form = ImageForm
    inlines = (TilingInline,)
    list_display = ("thumbnail", "identifier", "label", "badge", "dimensions", "source_format", "store", "modified")
    list_display_links = ("thumbnail", "identifier")
    list_filter = ("state", "source_format", "store", "collection")
    list_select_related = ("store",)
    list_per_page = 50
    search_fields = ("identifier", "label", "key", "url")
    date_hierarchy = "created"
    actions = ("reingest_selected", "refresh_selected")
    readonly_fields = (
        "preview",
        "badge",
        "error_detail",
        "error_technical",
        "uuid",
        "version",
        "dimensions",
        "source_format",
        "source_byte_size",
        "created",
        "modified",
        "links",
    )
    fieldsets = (
        (None, {"fields": ("preview", "badge", "error_detail", "identifier", "label", "collection", "links")}),
        (_("Source"), {"fields": ("upload", "store", "key", "url")}),
        (_("Description"), {"fields": ("rights", "attribution", "metadata")}),
        (_("Limits"), {"classes": ("collapse",), "fields": ("max_width", "max_height", "max_area")}),
        (
            _("Technical"),
            {
                "classes": ("collapse",),
                "fields": (
                    "uuid",
                    "version",
                    "dimensions",
                    "source_format",
                    "source_byte_size",
                    "error_technical",
                    "created",
                    "modified",
                ),
            },
        ),
    )

    @admin.display(description=_("image"))
    def thumbnail(self, image: Image) -> str:
        return self._picture(image, 96)

    @admin.display(description=_("image"))
    def preview(self, image: Image) -> str:
        return self._picture(image, 400)

    @staticmethod
    def _picture(image: Image, pixels: int) -> str:
        if not image.version or image.state == ImageState.FAILED:
            return "—"
        return format_html(
            '<img src="/iiif/3/{}/full/!{},{}/0/default.jpg?v={}" alt="" loading="lazy" '
            'style="max-width:{}px;max-height:{}px">',
            encode_identifier(image.identifier),
            pixels,
            pixels,
            image.version,
            pixels,
            pixels,
        )

    @admin.display(description=_("state"), ordering="state")
    def badge(self, image: Image) -> str:
        if not image.pk:
            return "—"
        sign, colour = _BADGES[ImageState(image.state)]
        return format_html(
            '<strong style="color:{}" title="{}">{} {}</strong>',
            colour,
            image.error_detail,
            sign,
            image.get_state_display(),
        )

    @admin.display(description=_("dimensions"), ordering="width")
    def dimensions(self, image: Image) -> str:
        return f"{image.width:,} × {image.height:,}" if image.width and image.height else "—"

    @admin.display(description=_("links"))
    def links(self, image: Image) -> str:
        if not image.pk:
            return "—"
        name = encode_identifier(image.identifier)
        return format_html(
            '<a href="{}">view</a> · <a href="/iiif/3/{}/info.json">info.json 3</a> · '
            '<a href="/iiif/2/{}/info.json">info.json 2</a> · <a href="/iiif/presentation/3/{}/manifest">manifest</a>',
            reverse("view", args=[image.identifier]),
            name,
            name,
            name,
        )

    def save_model(self, _request: HttpRequest, obj: Image, form: Any, _change: bool) -> None:  # noqa: FBT001
        if form.source_changed:
            image_save(obj)
        else:
            obj.save()
        forget_served_image(obj.identifier)

    @admin.action(description=_("Read the source again"), permissions=["change"])
    def reingest_selected(self, request: HttpRequest, queryset: QuerySet[Image]) -> None:
        count = 0
        for pk in queryset.values_list("pk", flat=True):
            image_reingest(pk)
            count += 1
        self._report(request, ngettext("%d image is queued.", "%d images are queued.", count) % count)

    @admin.action(description=_("Look whether the source has changed"), permissions=["change"])
    def refresh_selected(self, request: HttpRequest, queryset: QuerySet[Image]) -> None:
        count = 0
        for pk in queryset.values_list("pk", flat=True):
            enqueue("images.refresh", pk)
            count += 1
        self._report(request, ngettext("%d image is looked at.", "%d images are looked at.", count) % count)

    def _report(self, request: HttpRequest, text: str) -> None:
        self.message_user(request, text, messages.SUCCESS)


@admin.register(Store)
class StoreAdmin(admin.ModelAdmin[Store]):
    list_display = ("name", "kind", "root", "image_count")
    list_filter = ("kind",)
    search_fields = ("name", "root")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Store]:
        return super().get_queryset(request).annotate(counted_images=Count("images"))

    @admin.display(description=_("images"), ordering="counted_images")
    def image_count(self, store: Any) -> int:
        return int(store.counted_images)


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin[Collection]):
    list_display = ("name", "label", "image_count")
    search_fields = ("name", "label")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return super().get_queryset(request).annotate(counted_images=Count("images"))

    @admin.display(description=_("images"), ordering="counted_images")
    def image_count(self, collection: Any) -> int:
        return int(collection.counted_images)
