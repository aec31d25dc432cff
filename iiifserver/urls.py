"""Every address of the server; docs/ and the README name them."""

from django.conf import settings
from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from iiifserver import health
from images.views import iiif, manifest, pages

urlpatterns = [
    re_path(r"^iiif/presentation/3/(?P<identifier>(?s:.+))/manifest\Z", manifest.manifest_view, name="manifest"),
    re_path(r"^iiif/(?P<version>2|3)/(?P<rest>(?s:.*))\Z", iiif.versioned_iiif_view, name="image-versioned"),
    re_path(r"^iiif/(?P<rest>(?s:.*))\Z", iiif.iiif_view, name="image"),
    path("", pages.gallery_view, name="gallery"),
    path("gallery/state.json", pages.gallery_state_view, name="gallery-state"),
    re_path(r"^view/(?P<identifier>(?s:.+))\Z", pages.image_page_view, name="view"),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}images/icon.svg")),
    path("healthz", health.healthz_view, name="healthz"),
    path("readyz", health.readyz_view, name="readyz"),
    path("metrics", health.metrics_view, name="metrics"),
    path("admin/", admin.site.urls),
]

handler400 = "images.views.failures.bad_request_view"
handler403 = "images.views.failures.forbidden_view"
handler404 = "images.views.failures.not_found_view"
handler500 = "images.views.failures.server_error_view"
