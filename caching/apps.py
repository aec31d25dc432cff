from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed

from caching import checks


class CachingConfig(AppConfig):
    name = "caching"
    label = "caching"
    verbose_name = "Cache"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for check in checks.ALL:
            register(check, "caching")
        setting_changed.connect(_forget_cache, dispatch_uid="caching.forget_cache")


def _forget_cache(*, setting: str, **_kwargs: object) -> None:
    """Tests change settings: the cache that was built from the old ones is built anew."""
    from caching.derivatives import get_derivative_cache

    if setting.startswith(("IIIF_DERIVATIVE_CACHE", "IIIF_SINGLE_FLIGHT", "IIIF_DATA_DIR")):
        get_derivative_cache.cache_clear()
