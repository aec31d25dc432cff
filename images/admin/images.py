"""The curators' pages for images."""

from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from images.admin.actions import IMAGE_ACTIONS
from images.admin.adding import add_many_response, add_one_response, list_store_response
from images.admin.cached import cached_response
from images.admin.checking import check_response
from images.admin.columns import ImageColumns
from images.admin.filters import ServiceCopyFilter, SourceFormatFilter
from images.admin.forms import ImageForm
from images.admin.inlines import ServiceCopyInline, TilingInline
from images.admin.inspection import explain_response, inspection_context
from images.iiif.identifiers import encode_identifier
from images.models import Image, ImageState, ServiceCopy, Tiling
from images.selectors.images import forget_served_image
from images.selectors.paging import KeysFirstPaginator
from images.selectors.searching import narrow_images
from images.services.audit import image_note_action
from images.services.registration import (
    NothingToRestoreError,
    image_reingest,
    image_restore_source,
    image_save,
    upload_discard,
)

_NARROWING_WORDS = 2
"""Of a search: each is asked for beside; further ones are looked for in what these leave."""

_SOURCE = (_("Source"), {"fields": ("upload", "store", "key", "url")})
_DESCRIPTION = (_("Description"), {"fields": ("rights", "attribution", "metadata")})
_LIMITS = (
    _("Limits and image information"),
    {"classes": ("collapse",), "fields": ("max_width", "max_height", "max_area", "information")},
)
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


class ImageList(ChangeList):
    """Takes its rows as the paginator does, also where all of them fit into one page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list


@admin.register(Image)
class ImageAdmin(ImageColumns, admin.ModelAdmin[Image]):
    form = ImageForm
    list_display = ("thumbnail", "name", "badge", "facts", "modified_short")
    list_display_links = ("name",)
    list_filter = (
        "state",
        ServiceCopyFilter,
        SourceFormatFilter,
        "store",
        "collection",
        "profile",
        ("created", admin.DateFieldListFilter),
    )
    list_per_page = 50
    paginator = KeysFirstPaginator
    show_full_result_count = False
    search_fields = ("identifier", "label", "key", "url")
    actions = IMAGE_ACTIONS
    readonly_fields = (
        "preview",
        "badge",
        "error_detail",
        "earlier_source",
        "error_technical",
        "uuid",
        "version",
        "dimensions",
        "format_name",
        "source_byte_size",
        "copy_facts",
        "created",
        "modified",
        "links",
    )

    class Media:
        css = {"all": ("images/css/admin.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return ImageList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        images = super().get_queryset(request).select_related("tiling", "service_copy", "collection", "store")
        return images.defer("tiling__index", "service_copy__index", "service_copy__description")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Image], search_term: str
    ) -> tuple[QuerySet[Image], bool]:
        """What Django's own finds: all of the words, each in one of the fields."""
        for word in islice(smart_split(search_term), _NARROWING_WORDS):
            text = unescape_string_literal(word) if word.startswith(('"', "'")) and word[0] == word[-1] else word
            queryset = narrow_images(queryset, text, self.search_fields)
        return super().get_search_results(request, queryset, search_term)

    def get_fieldsets(self, _request: HttpRequest, obj: Image | None = None) -> Any:
        """Nothing is shown that is not there yet."""
        if obj is None:
            return (
                (None, {"fields": ("identifier", "label", "collection", "profile", "service_copy_policy")}),
                _SOURCE,
                _DESCRIPTION,
                _LIMITS,
            )
        failed = obj.state == ImageState.FAILED
        state = [
            *(["preview"] if obj.has_picture or not failed else []),
            "badge",
            *(["error_detail"] if failed else []),
            *(["earlier_source"] if obj.shows_earlier_source else []),
            *(["links"] if obj.has_picture or not failed else []),
        ]
        first = (
            None,
            {"fields": (*state, "identifier", "label", "collection", "profile", "service_copy_policy", "copy_facts")},
        )
        return (first, _SOURCE, _DESCRIPTION, _LIMITS, _TECHNICAL)

    def get_inlines(self, _request: HttpRequest, obj: Image | None) -> Any:
        if obj is None:
            return ()
        there_is = {
            ServiceCopyInline: ServiceCopy.objects.filter(image=obj).exists(),
            TilingInline: Tiling.objects.filter(image=obj).exists(),
        }
        return tuple(inline for inline, is_there in there_is.items() if is_there)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("add-many/", wrap(self.add_many_view), name="images_image_add_many"),
            path("add-many/one/", wrap(self.add_one_view), name="images_image_add_one"),
            path("add-many/store.json", wrap(self.list_store_view), name="images_image_list_store"),
            path("cached.json", wrap(self.cached_view), name="images_image_cached"),
            path("<path:object_id>/check/", wrap(self.check_view), name="images_image_check"),
            path("<path:object_id>/reingest/", wrap(self.reingest_view), name="images_image_reingest"),
            path("<path:object_id>/restore/", wrap(self.restore_view), name="images_image_restore"),
            path("<path:object_id>/explain.json", wrap(self.explain_view), name="images_image_explain"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        image = self.get_object(request, object_id)
        may_see = image is not None and self.has_view_or_change_permission(request, image)
        inspected = inspection_context(request, image) if image is not None and may_see else {}
        inspected["may_reingest"] = image is not None and self.has_change_permission(request, image)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **inspected})

    def add_many_view(self, request: HttpRequest) -> HttpResponse:
        self._require_add(request)
        return add_many_response(self.admin_site, request)

    def add_one_view(self, request: HttpRequest) -> HttpResponse:
        self._require_add(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return add_one_response(request)

    def list_store_view(self, request: HttpRequest) -> HttpResponse:
        self._require_add(request)
        return list_store_response(request)

    def cached_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return cached_response(request)

    def _require_add(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    @method_decorator(require_POST)
    def restore_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back a replacement."""
        image = self._changeable(request, object_id)
        try:
            image_note_action(request.user, image_restore_source(image.pk), "restore")
        except NothingToRestoreError:
            self.message_user(request, _("There is no earlier source to go back to."), messages.WARNING)
        else:
            self.message_user(request, _("The image has its earlier source again."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:images_image_change", args=[image.pk]))

    def explain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return explain_response(request, self._visible(request, object_id))

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks the running server for everything that the image's profile offers and refuses."""
        return check_response(self.admin_site, request, self._changeable(request, object_id))

    @method_decorator(require_POST)
    def reingest_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Read the source again: the retry of an image that failed, without leaving its page."""
        image = self._changeable(request, object_id)
        image_reingest(image.pk)
        image_note_action(request.user, image, "reingest")
        self.message_user(request, _("The source is being read again."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:images_image_change", args=[image.pk]))

    def _changeable(self, request: HttpRequest, object_id: str) -> Image:
        image = self._visible(request, object_id)
        if not self.has_change_permission(request, image):
            raise PermissionDenied
        return image

    def _visible(self, request: HttpRequest, object_id: str) -> Image:
        image = self.get_object(request, object_id)
        if not self.has_view_or_change_permission(request, image):
            raise PermissionDenied
        if image is None:
            raise Http404
        return image

    @admin.display(description=_("links"))
    def links(self, image: Image) -> str:
        name = encode_identifier(image.identifier)
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a> · <a href="/iiif/3/{}/info.json">info.json 3</a> · '
            '<a href="/iiif/2/{}/info.json">info.json 2</a> · <a href="/iiif/presentation/3/{}/manifest">{}</a>',
            reverse("view", args=[image.identifier]),
            _("view"),
            reverse("admin:images_image_check", args=[image.pk]),
            _("check"),
            name,
            name,
            name,
            _("manifest"),
        )

    def save_model(self, _request: HttpRequest, obj: Image, form: Any, _change: bool) -> None:  # noqa: FBT001
        forget_served_image(form.initial.get("identifier", obj.identifier))
        reference = form.kept
        if reference is None:
            image_save(obj, set(form.changed_data))
            return
        obj.store, obj.key, obj.url = reference.store, reference.key, ""
        try:
            image_save(obj, {*form.changed_data, "store", "key", "url"} - {"upload"})
        except Exception:
            upload_discard(reference)
            raise
