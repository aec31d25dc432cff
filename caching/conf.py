"""The settings of the cache; nothing else here reads django.conf."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
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
            "OPTIONS": {"root": self.derivative_folder},
        }
        configured = getattr(settings, "IIIF_DERIVATIVE_CACHE_BACKEND", default)
        return cast("Mapping[str, Any]", configured)

    @property
    def derivative_folder(self) -> Path:
        """Where a first tier on disk lies unless its options say something else."""
        return self._folder / "derivatives"

    @property
    def tiers(self) -> Sequence[Mapping[str, Any]]:
        """IIIF_DERIVATIVE_CACHE_TIERS: the same, nearest first; empty for IIIF_DERIVATIVE_CACHE_BACKEND alone."""
        configured = getattr(settings, "IIIF_DERIVATIVE_CACHE_TIERS", None)
        return cast("Sequence[Mapping[str, Any]]", configured) if configured else [self.backend]

    @property
    def image_share(self) -> float:
        """IIIF_DERIVATIVE_CACHE_IMAGE_SHARE: of a tier's budget, beyond which an image gives way to all others."""
        return cast("float", getattr(settings, "IIIF_DERIVATIVE_CACHE_IMAGE_SHARE", 0.05))

    @property
    def tier_queue(self) -> int:
        """IIIF_DERIVATIVE_CACHE_TIER_QUEUE: derivatives that may wait to be written to a tier below the first."""
        return cast("int", getattr(settings, "IIIF_DERIVATIVE_CACHE_TIER_QUEUE", 1000))

    @property
    def second_demand_seconds(self) -> float:
        """IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS: within which an unforeseen derivative has to be asked for twice
        to be kept; 0 keeps it at once.
        """
        return cast("float", getattr(settings, "IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS", 3600.0))

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
    def memory_bytes(self) -> int:
        """IIIF_DERIVATIVE_CACHE_MEMORY_BYTES: of each process, for what was read lately; 0 for nothing."""
        return cast("int", getattr(settings, "IIIF_DERIVATIVE_CACHE_MEMORY_BYTES", 64 * 2**20))

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
    def statistics_folder(self) -> Path:
        """IIIF_STATISTICS_DIR: where the processes of this host count; on a disk of its own, or in memory."""
        return Path(getattr(settings, "IIIF_STATISTICS_DIR", self._folder / "statistics"))

    @property
    def source_folder(self) -> Path:
        """IIIF_SOURCE_CACHE_DIR: copies of sources, whole or in ranges."""
        return Path(getattr(settings, "IIIF_SOURCE_CACHE_DIR", self._folder / "sources"))

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

    @property
    def redis_url(self) -> str:
        """IIIF_REDIS_URL: of the server that the nodes share; empty for none."""
        return str(getattr(settings, "IIIF_REDIS_URL", ""))

    @property
    def redis_namespace(self) -> str:
        """IIIF_REDIS_NAMESPACE: begins every key and channel, so that others can use the same server."""
        return str(getattr(settings, "IIIF_REDIS_NAMESPACE", "iiif"))

    @property
    def redis_seconds(self) -> float:
        """IIIF_REDIS_SECONDS: for which an answer is waited for."""
        return cast("float", getattr(settings, "IIIF_REDIS_SECONDS", 0.1))

    @property
    def redis_failures(self) -> int:
        """IIIF_REDIS_FAILURES: in a row, after which it is not asked any more."""
        return cast("int", getattr(settings, "IIIF_REDIS_FAILURES", 3))

    @property
    def redis_rest_seconds(self) -> float:
        """IIIF_REDIS_REST_SECONDS: after which it is asked again."""
        return cast("float", getattr(settings, "IIIF_REDIS_REST_SECONDS", 5.0))

    @property
    def metrics_networks(self) -> Sequence[IPv4Network | IPv6Network]:
        """IIIF_METRICS_NETWORKS: from which /metrics is answered. Raises ValueError where one is none."""
        return [ip_network(text, strict=False) for text in settings.IIIF_METRICS_NETWORKS]

    @property
    def last_known_seconds(self) -> int:
        """IIIF_LAST_KNOWN_SECONDS: how long Redis keeps what processes are to know while the database is down."""
        return cast("int", getattr(settings, "IIIF_LAST_KNOWN_SECONDS", 86_400))

    @property
    def _folder(self) -> Path:
        return Path(settings.IIIF_DATA_DIR) / "cache"


conf = CachingSettings()
