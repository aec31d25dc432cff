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
from images.services.registration import image_reingest, image_save, upload_discard, upload_store
from images.templatetags.iiif_urls import format_name

_SIGNS = {
    ImageState.READY: "✓",
    ImageState.FAILED: "✗",
    ImageState.PENDING: "…",
    ImageState.PROCESSING: "⟳",
}
_SOURCE = (_("Source"), {"fields": ("upload", "store", "key", "url")})
_DESCRIPTION = (_("Description"), {"fields": ("rights", "attribution", "metadata")})
_LIMITS = (_("Limits"), {"classes": ("collapse",), "fields": ("max_width", "max_height", "max_area")})
_TECHNICAL = (
    _("Technical"),
    {
        "classes": ("collapse",),
        "fields": (
            "uuid",
            "version",
            "dimensions",
            "format_name",
            "source_byte_size",
            "error_technical",
            "created",
            "modified",
        ),
    },
)


class TilingInline(admin.StackedInline[Tiling, Image]):
    model = Tiling
    classes = ("collapse",)
    can_delete = False
    readonly_fields = ("version", "etag", "tile_width", "tile_height", "description", "created")
    fields = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tiling]:
        return super().get_queryset(request).defer("index")

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(Image)
class ImageAdmin(admin.ModelAdmin[Image]):
    form = ImageForm
    list_display = ("thumbnail", "name", "badge", "dimensions", "format_name", "modified")
    list_display_links = ("thumbnail", "name")
    list_filter = ("state", "source_format", "store", "collection")
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
        "format_name",
        "source_byte_size",
        "created",
        "modified",
        "links",
    )

    class Media:
        css = {"all": ("images/css/admin.css",)}

    def get_fieldsets(self, _request: HttpRequest, obj: Image | None = None) -> Any:
        """Nothing is shown that is not there yet."""
        if obj is None:
            return ((None, {"fields": ("identifier", "label", "collection")}), _SOURCE, _DESCRIPTION, _LIMITS)
        failed = obj.state == ImageState.FAILED
        state = ("badge", "error_detail") if failed else ("preview", "badge", "links")
        first = (None, {"fields": (*state, "identifier", "label", "collection")})
        return (first, _SOURCE, _DESCRIPTION, _LIMITS, _TECHNICAL)

    def get_inlines(self, _request: HttpRequest, obj: Image | None) -> Any:
        return (TilingInline,) if obj is not None and Tiling.objects.filter(image=obj).exists() else ()

    @admin.display(description=_("image"))
    def thumbnail(self, image: Image) -> str:
        return self._picture(image, 96, "image-thumbnail")

    @admin.display(description=_("image"))
    def preview(self, image: Image) -> str:
        return self._picture(image, 400, "image-preview")

    @staticmethod
    def _picture(image: Image, pixels: int, css_class: str) -> str:
        if not image.version or image.state == ImageState.FAILED:
            return "—"
        return format_html(
            '<img src="/iiif/3/{}/full/!{},{}/0/default.jpg?v={}" alt="" loading="lazy" class="{}">',
            encode_identifier(image.identifier),
            pixels,
            pixels,
            image.version,
            css_class,
        )

    @admin.display(description=_("identifier and label"), ordering="identifier")
    def name(self, image: Image) -> str:
        return format_html('{} <span class="image-label">{}</span>', image.identifier, image.label)

    @admin.display(description=_("state"), ordering="state")
    def badge(self, image: Image) -> str:
        return format_html(
            '<span class="image-state image-state-{}" title="{}">{} {}</span>',
            image.state,
            image.error_detail,
            _SIGNS[ImageState(image.state)],
            image.get_state_display(),
        )

    @admin.display(description=_("dimensions"), ordering="width")
    def dimensions(self, image: Image) -> str:
        if not image.width or not image.height:
            return "—"
        return format_html('<span class="image-fact">{} × {}</span>', f"{image.width:,}", f"{image.height:,}")

    @admin.display(description=_("source format"), ordering="source_format")
    def format_name(self, image: Image) -> str:
        return format_name(image.source_format) or "—"

    @admin.display(description=_("links"))
    def links(self, image: Image) -> str:
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
        forget_served_image(form.initial.get("identifier", obj.identifier))
        upload = form.cleaned_data.get("upload")
        if upload is None:
            image_save(obj, set(form.changed_data))
            return
        reference = upload_store(upload.chunks(), upload.name or "")
        obj.store, obj.key, obj.url = reference.store, reference.key, ""
        try:
            image_save(obj, {*form.changed_data, "store", "key", "url"} - {"upload"})
        except Exception:
            upload_discard(reference)
            raise

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
