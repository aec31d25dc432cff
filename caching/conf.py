"""The settings of the cache; nothing else here reads django.conf."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from django.conf import settings


class CachingSettings:
    """Each property is one setting, read anew at each access; caching.checks validates them."""

    @property
    def switch(self) -> str:
        """IIIF_DERIVATIVE_CACHE: "on", or "off" to keep nothing, for measurements."""
        return str(getattr(settings, "IIIF_DERIVATIVE_CACHE", "on")).lower()

    @property
    def backend(self) -> Mapping[str, Any]:
        """IIIF_DERIVATIVE_CACHE_BACKEND: {"BACKEND": dotted path, "OPTIONS": {...}}."""
        default = {
            "BACKEND": "caching.backends.disk.DiskBackend",
            "OPTIONS": {"root": self._folder / "derivatives"},
        }
        configured = getattr(settings, "IIIF_DERIVATIVE_CACHE_BACKEND", default)
        return cast("Mapping[str, Any]", configured)

    @property
    def byte_budget(self) -> int:
        """IIIF_DERIVATIVE_CACHE_BYTES: as allocated on disk. 10 GiB is some 300,000 tiles."""
        return cast("int", getattr(settings, "IIIF_DERIVATIVE_CACHE_BYTES", 10 * 2**30))

    @property
    def entry_budget(self) -> int:
        """IIIF_DERIVATIVE_CACHE_ENTRIES: files and folders, as inodes run out as well."""
        return cast("int", getattr(settings, "IIIF_DERIVATIVE_CACHE_ENTRIES", 200_000))

    @property
    def entry_bytes(self) -> int:
        """IIIF_DERIVATIVE_CACHE_ENTRY_BYTES: longer bodies are served and not kept."""
        return cast("int", getattr(settings, "IIIF_DERIVATIVE_CACHE_ENTRY_BYTES", 128 * 2**20))

    @property
    def bypass_seconds(self) -> float:
        """IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS: how long writing rests after a failed write."""
        return cast("float", getattr(settings, "IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS", 60.0))

    @property
    def wait_seconds(self) -> float:
        """IIIF_SINGLE_FLIGHT_SECONDS: how long a request waits for another that makes its answer."""
        return cast("float", getattr(settings, "IIIF_SINGLE_FLIGHT_SECONDS", 30.0))

    @property
    def lock_file(self) -> Path | None:
        """IIIF_SINGLE_FLIGHT_LOCK_FILE: shared by the processes of a host; None for no such locks."""
        path = getattr(settings, "IIIF_SINGLE_FLIGHT_LOCK_FILE", self._folder / "single-flight.lock")
        return None if path is None else Path(path)

    @property
    def _folder(self) -> Path:
        return Path(settings.IIIF_DATA_DIR) / "cache"


conf = CachingSettings()
