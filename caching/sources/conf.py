"""The settings of the caches of sources, and of the patience with stores."""

from pathlib import Path
from typing import cast

from django.conf import settings

from caching.conf import conf as caching_conf


class SourceCacheSettings:
    """Each property is one setting, read anew at each access; caching.checks validates them."""

    @property
    def source_folder(self) -> Path:
        """IIIF_SOURCE_CACHE_DIR: copies of sources, whole or in ranges."""
        return Path(getattr(settings, "IIIF_SOURCE_CACHE_DIR", caching_conf.folder / "sources"))

    @property
    def source_bytes(self) -> int:
        """IIIF_SOURCE_CACHE_BYTES: of whole copies on disk."""
        return cast("int", getattr(settings, "IIIF_SOURCE_CACHE_BYTES", 20 * 2**30))

    @property
    def source_entries(self) -> int:
        """IIIF_SOURCE_CACHE_ENTRIES: whole copies."""
        return cast("int", getattr(settings, "IIIF_SOURCE_CACHE_ENTRIES", 20_000))

    @property
    def source_ttl_seconds(self) -> float:
        """IIIF_SOURCE_CACHE_TTL: seconds for which a copy may lie unused; 0 for any time."""
        return cast("float", getattr(settings, "IIIF_SOURCE_CACHE_TTL", 30 * 86_400))

    @property
    def source_fills(self) -> int:
        """IIIF_SOURCE_CACHE_FILLS: whole copies that a process makes in the background at a time."""
        return cast("int", getattr(settings, "IIIF_SOURCE_CACHE_FILLS", 4))

    @property
    def source_memory_bytes(self) -> int:
        """IIIF_SOURCE_MEMORY_BYTES: of each process, for whole sources of stores that ask for it; 0 for none."""
        return cast("int", getattr(settings, "IIIF_SOURCE_MEMORY_BYTES", 256 * 2**20))

    @property
    def source_failure_seconds(self) -> float:
        """IIIF_SOURCE_FAILURE_TTL: how long a source that could not be fetched is not asked for again, about."""
        return cast("float", getattr(settings, "IIIF_SOURCE_FAILURE_TTL", 5.0))

    @property
    def source_waiting(self) -> int:
        """IIIF_SOURCE_WAITING: threads of a process that may wait at a time for one store that delivers nothing."""
        return cast("int", getattr(settings, "IIIF_SOURCE_WAITING", 16))

    @property
    def source_waiting_total(self) -> int:
        """IIIF_SOURCE_WAITING_TOTAL: threads of a process that may wait at a time for all stores that do."""
        return cast("int", getattr(settings, "IIIF_SOURCE_WAITING_TOTAL", 28))

    @property
    def source_timeouts(self) -> int:
        """IIIF_SOURCE_TIMEOUTS: sources of a store that time out in a row before the store is left alone."""
        return cast("int", getattr(settings, "IIIF_SOURCE_TIMEOUTS", 3))

    @property
    def source_rest_seconds(self) -> float:
        """IIIF_SOURCE_REST_SECONDS: how long a store that has timed out is left alone before one request tries it."""
        return cast("float", getattr(settings, "IIIF_SOURCE_REST_SECONDS", 5.0))

    @property
    def block_memory_bytes(self) -> int:
        """IIIF_BLOCK_CACHE_MEMORY_BYTES: of each process, for ranges of sources; 0 for none."""
        return cast("int", getattr(settings, "IIIF_BLOCK_CACHE_MEMORY_BYTES", 64 * 2**20))

    @property
    def block_disk_bytes(self) -> int:
        """IIIF_BLOCK_CACHE_DISK_BYTES: of the host, for ranges of sources; 0 for none."""
        return cast("int", getattr(settings, "IIIF_BLOCK_CACHE_DISK_BYTES", 4 * 2**30))

    @property
    def block_entries(self) -> int:
        """IIIF_BLOCK_CACHE_ENTRIES: files with ranges, one for each source."""
        return cast("int", getattr(settings, "IIIF_BLOCK_CACHE_ENTRIES", 100_000))


conf = SourceCacheSettings()
