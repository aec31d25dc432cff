"""Every address below /api/v1/. Identifiers may have slashes, so actions are read from the right."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from images.api import (
    batch_views,
    cache_views,
    collection_views,
    documents,
    image_actions,
    image_views,
    profile_views,
    store_actions,
    store_views,
)
from images.api.image_views import image_or_action_view
from images.api.views import RootView, not_found_view


class IdentifierConverter(StringConverter):
    """Anything, slashes included; the view finds out whether there is such an image."""

    regex = "(?s:.+)"


register_converter(IdentifierConverter, "identifier")

_ACTIONS = (
    image_actions.RefreshView,
    image_actions.ReingestView,
    image_actions.RestoreView,
    image_actions.InvalidateView,
    image_actions.SeedView,
)

urlpatterns = [
    path("", RootView.as_view(), name="api-root"),
    path("images/", image_views.ImageListView.as_view(), name="api-images"),
    *(
        path(f"images/<identifier:identifier>/{action.name}/", image_or_action_view(action.as_view()))
        for action in _ACTIONS
    ),
    path("images/<identifier:identifier>/", image_views.ImageView.as_view(), name="api-image"),
    path("batches/", batch_views.BatchListView.as_view(), name="api-batches"),
    path("batches/<uuid:pk>/", batch_views.BatchView.as_view(), name="api-batch"),
    path("batches/<uuid:pk>/rows/", batch_views.BatchRowsView.as_view(), name="api-batch-rows"),
    path("batches/<uuid:pk>/errors/", batch_views.BatchErrorsView.as_view(), name="api-batch-errors"),
    path("batches/<uuid:pk>/retry/", batch_views.BatchRetryView.as_view(), name="api-batch-retry"),
    path("batches/<uuid:pk>/cancel/", batch_views.BatchCancelView.as_view(), name="api-batch-cancel"),
    path("batches/<uuid:pk>/undo/", batch_views.BatchUndoView.as_view(), name="api-batch-undo"),
    path("cache/", cache_views.CacheView.as_view(), name="api-cache"),
    path("cache/purge/", cache_views.CachePurgeView.as_view(), name="api-cache-purge"),
    path("cache/purge/<int:pk>/", cache_views.CachePurgeJobView.as_view(), name="api-cache-purge-job"),
    path("profiles/", profile_views.ProfileListView.as_view(), name="api-profiles"),
    path("profiles/<slug:name>/", profile_views.ProfileView.as_view(), name="api-profile"),
    path("collections/", collection_views.CollectionListView.as_view(), name="api-collections"),
    path("collections/<slug:name>/", collection_views.CollectionView.as_view(), name="api-collection"),
    path("stores/", store_views.StoreListView.as_view(), name="api-stores"),
    path("stores/<slug:name>/", store_views.StoreView.as_view(), name="api-store"),
    path("stores/<slug:name>/test/", store_actions.StoreTestView.as_view(), name="api-store-test"),
    path("stores/<slug:name>/objects/", store_actions.StoreObjectsView.as_view(), name="api-store-objects"),
    path("schema/", documents.SchemaView.as_view(), name="api-schema"),
    path("docs/", documents.DocsView.as_view(), name="api-docs"),
    re_path(r"^", not_found_view),
]
