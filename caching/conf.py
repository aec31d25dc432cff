"""The settings of the cache of derivatives and of what nodes share; those of sources are in caching.sources.conf.

Nothing else here reads django.conf.
"""

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
        return self.folder / "derivatives"

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
        path = getattr(settings, "IIIF_SINGLE_FLIGHT_LOCK_FILE", self.folder / "single-flight.lock")
        return None if path is None else Path(path)

    @property
    def statistics_folder(self) -> Path:
        """IIIF_STATISTICS_DIR: where the processes of this host count; on a disk of its own, or in memory."""
        return Path(getattr(settings, "IIIF_STATISTICS_DIR", self.folder / "statistics"))

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
    def folder(self) -> Path:
        """Where all caches lie unless their own settings say something else."""
        return Path(settings.IIIF_DATA_DIR) / "cache"


conf = CachingSettings()
