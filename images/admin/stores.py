"""The administrators' pages for stores: an address that this server connects to is for superusers only."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from images.models import Store, StoreTestState
from images.selectors.paging import count_images
from images.services.store_test import store_test
from images.services.stores import store_image_count

_SIGNS = {StoreTestState.PASSED: ("ready", "✓"), StoreTestState.FAILED: ("failed", "✗")}


@admin.register(Store)
class StoreAdmin(admin.ModelAdmin[Store]):
    list_display = ("name", "kind", "root", "strategy", "is_enabled", "badge", "image_count")
    list_filter = ("kind", "strategy", "is_enabled", "registers_itself", "test_state")
    search_fields = ("name", "root", "identifier_prefix")
    actions = ("test_selected",)
    readonly_fields = ("badge", "tested", "test_detail", "created", "modified")
    fieldsets = (
        (None, {"fields": ("name", "kind", "root", "is_enabled")}),
        (_("Access"), {"fields": ("options", "credentials", "allowed_hosts")}),
        (
            _("Retrieval"),
            {"fields": ("strategy", "prefetch", "freshness_seconds", "max_connections", "max_bytes_per_second")},
        ),
        (
            _("Registration by itself"),
            {
                "classes": ("collapse",),
                "fields": (
                    "registers_itself",
                    "identifier_prefix",
                    "key_prefix",
                    "key_suffix",
                    "identifier_pattern",
                    "key_template",
                ),
            },
        ),
        (_("Test"), {"fields": ("badge", "tested", "test_detail")}),
        (_("Technical"), {"classes": ("collapse",), "fields": ("created", "modified")}),
    )

    class Media:
        css = {"all": ("images/css/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(self, request: HttpRequest, _obj: Store | None = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, _obj: Store | None = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Of images that hinder it their number: there may be a million."""
        count = store_image_count(objs)
        if not count:
            return super().get_deleted_objects(objs, request)
        text = (
            ngettext("%d image, whose source lies or lay there", "%d images, whose sources lie or lay there", count)
            % count
        )
        return [], {}, set(), [text]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Store]:
        return super().get_queryset(request).annotate(counted_images=count_images("store"))

    @admin.display(description=_("images"), ordering="counted_images")
    def image_count(self, store: Any) -> int:
        return int(store.counted_images)

    @admin.display(description=_("test"), ordering="test_state")
    def badge(self, store: Store) -> str:
        state, sign = _SIGNS.get(StoreTestState(store.test_state), ("pending", "–"))
        return format_html(
            '<span class="image-state image-state-{}">{} {}</span>', state, sign, store.get_test_state_display()
        )

    @admin.action(description=_("Test the store"), permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: QuerySet[Store]) -> None:
        for store in queryset:
            result = store_test(store)
            lines = format_html_join(mark_safe("<br>"), "{}", ((str(step),) for step in result.steps))
            level = messages.SUCCESS if result.passed else messages.ERROR
            self.message_user(request, format_html("<strong>{}</strong><br>{}", store.name, lines), level)
