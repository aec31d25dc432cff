from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

from caching import checks


class CachingConfig(AppConfig):
    name = "caching"
    label = "caching"
    verbose_name = _("Cache")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for check in checks.ALL:
            register(check, "caching")
        setting_changed.connect(_forget_cache, dispatch_uid="caching.forget_cache")


def _forget_cache(*, setting: str, **_kwargs: object) -> None:
    """Tests change settings: what was built from the old ones is built anew."""
    from caching.bus import close_bus
    from caching.counters import forget_counters
    from caching.derivatives import get_derivative_cache
    from caching.last_known import get_last_known
    from caching.shared import find_shared_server
    from caching.sources.caches import get_source_caches
    from caching.traffic import get_traffic

    if setting.startswith("IIIF_REDIS"):
        close_bus()
        find_shared_server.cache_clear()
        get_last_known.cache_clear()
    if setting in ("IIIF_STATISTICS_DIR", "IIIF_DATA_DIR"):
        forget_counters()
        get_traffic.cache_clear()
        get_derivative_cache.cache_clear()
        get_source_caches.cache_clear()
    if setting.startswith(("IIIF_DERIVATIVE_CACHE", "IIIF_SINGLE_FLIGHT", "IIIF_DATA_DIR", "IIIF_REDIS")):
        get_derivative_cache.cache_clear()
    if setting.startswith(("IIIF_SOURCE_", "IIIF_BLOCK_CACHE", "IIIF_SINGLE_FLIGHT", "IIIF_DATA_DIR")):
        get_source_caches.cache_clear()
