"""Typed reading of the settings of a web server in front that sends answers by itself; checked in `images.checks`."""

from pathlib import Path

from django.conf import settings


class OffloadConf:
    """One property a setting. `max_bytes`, `max_entries`: of the tree in `folder`."""

    @property
    def ways(self) -> frozenset[str]:
        """How a web server in front helps: "published", "accel", both or not at all."""
        return frozenset(filter(None, map(str.strip, str(settings.IIIF_OFFLOAD).split(","))))

    @property
    def accel_bytes(self) -> int:
        return int(settings.IIIF_OFFLOAD_ACCEL_BYTES)

    @property
    def folder(self) -> Path:
        return Path(settings.IIIF_OFFLOAD_DIR)

    @property
    def max_bytes(self) -> int:
        return int(settings.IIIF_OFFLOAD_BYTES)

    @property
    def max_entries(self) -> int:
        return int(settings.IIIF_OFFLOAD_ENTRIES)

    @property
    def seconds(self) -> float:
        return float(settings.IIIF_OFFLOAD_SECONDS)


offload_conf = OffloadConf()
