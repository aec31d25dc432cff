"""Every address of the server; docs/ and the README name them."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from iiifserver import cache_page, health, system
from images.admin import purging
from images.views import events, iiif, pages, presentation

urlpatterns = [
    # Addresses of images end in /manifest; those of sets don't, so that no identifier hides one.
    re_path(
        r"^iiif/presentation/(?P<version>2|3)/(?P<identifier>(?s:.+))/manifest\Z",
        presentation.manifest_view,
        name="manifest",
    ),
    re_path(
        r"^iiif/presentation/(?P<version>2|3)/collections(?:/pages/(?P<number>[0-9]+))?\Z",
        presentation.collections_view,
        name="collections",
    ),
    re_path(
        r"^iiif/presentation/(?P<version>2|3)/collection/(?P<name>[-a-zA-Z0-9_]+)(?:/pages/(?P<number>[0-9]+))?\Z",
        presentation.collection_view,
        name="collection",
    ),
    re_path(
        r"^iiif/presentation/(?P<version>2|3)/query/(?P<name>[-a-zA-Z0-9_]+)(?P<arguments>(?:/[^/]+)*)\Z",
        presentation.query_view,
        name="query",
    ),
    re_path(r"^iiif/activity/all(?:/pages/(?P<number>[0-9]+))?\Z", presentation.activities_view, name="activities"),
    re_path(r"^iiif/(?P<version>2|3)/(?P<rest>(?s:.*))\Z", iiif.versioned_iiif_view, name="image-versioned"),
    re_path(r"^iiif/(?P<rest>(?s:.*))\Z", iiif.iiif_view, name="image"),
    path("", pages.gallery_view, name="gallery"),
    path("collections", pages.collections_view, name="collections-page"),
    path("collections/<slug:name>", pages.collection_page_view, name="collection-page"),
    path("gallery/state.json", pages.gallery_state_view, name="gallery-state"),
    re_path(r"^view/(?P<identifier>(?s:.+))\Z", pages.image_page_view, name="view"),
    path("language", set_language, name="set_language"),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}images/icon.svg")),
    path("healthz", health.healthz_view, name="healthz"),
    path("readyz", health.readyz_view, name="readyz"),
    path("debug/vars", health.debug_vars_view, name="debug-vars"),
    path("metrics", health.metrics_view, name="metrics"),
    path("admin/system/", admin.site.admin_view(system.system_view), name="system"),
    path("admin/cache/", admin.site.admin_view(cache_page.cache_view), name="cache"),
    path("admin/cache/purge/", admin.site.admin_view(purging.purge_view), name="cache-purge"),
    path("admin/", admin.site.urls),
    path("api/v1/events/s3/", events.s3_events_view, name="s3-events"),
    path("api/v1/", include("images.api.urls")),
]

handler400 = "iiifserver.failures.bad_request_view"
handler403 = "iiifserver.failures.forbidden_view"
handler404 = "iiifserver.failures.not_found_view"
handler500 = "iiifserver.failures.server_error_view"
