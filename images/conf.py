"""Typed reading of the settings that the image app uses; each has a system check in `images.checks`.

Those of a web server in front are in `images.offload_conf`, those of REST alone in `images.api.conf`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from images.decoders.layers import LayerPolicy
from images.decoders.options import EncodeOptions
from images.decoders.service_copy_plan import CopyOptions
from images.iiif.capabilities import Capabilities
from images.iiif.features import Feature
from images.iiif.limits import Limits
from images.iiif.output import OutputFormat, Quality
from images.indexes.description import SourceFormat
from images.indexes.limits import SourceLimits

_LIMITS = 1024
"""Of images that have some of their own; most have none."""


class ImagesConf:
    """One property a setting; units in the names. Raises ValueError or TypeError where a setting makes no sense."""

    @property
    def data_dir(self) -> Path:
        return Path(settings.IIIF_DATA_DIR)

    @property
    def upload_dir(self) -> Path:
        return Path(settings.MEDIA_ROOT)

    @property
    def base_url(self) -> str:
        return str(settings.IIIF_BASE_URL).rstrip("/")

    @property
    def own_address(self) -> str:
        """Scheme, host and port at which this server is reached from its own host; without a slash at the end."""
        return str(settings.IIIF_OWN_ADDRESS).rstrip("/")

    @property
    def default_api_version(self) -> int:
        return int(settings.IIIF_DEFAULT_API_VERSION)

    @cached_property
    def limits(self) -> Limits:
        return Limits(
            max_width=settings.IIIF_MAX_WIDTH, max_height=settings.IIIF_MAX_HEIGHT, max_area=settings.IIIF_MAX_AREA
        )

    @cached_property
    def capabilities(self) -> Capabilities:
        disabled = {Feature(name) for name in settings.IIIF_DISABLED_FEATURES}
        return Capabilities(
            features=frozenset(Capabilities.everything().features - disabled),
            qualities=frozenset(Quality(name) for name in settings.IIIF_QUALITIES),
            formats=frozenset(OutputFormat(name) for name in settings.IIIF_FORMATS),
            limits=self.limits,
        )

    def capabilities_within(self, limits: Limits) -> Capabilities:
        """The capabilities under the limits of one image; the same object for the same limits."""
        known = self._capabilities_within.get(limits)
        if known is None:
            if len(self._capabilities_within) >= _LIMITS:
                self._capabilities_within.clear()
            known = self._capabilities_within[limits] = replace(self.capabilities, limits=limits)
        return known

    @cached_property
    def _capabilities_within(self) -> dict[Limits, Capabilities]:
        return {}

    @property
    def tile_size(self) -> int:
        return int(settings.IIIF_TILE_SIZE)

    @property
    def stream_area(self) -> int:
        return int(settings.IIIF_STREAM_AREA)

    @property
    def cache_control_image(self) -> str:
        return str(settings.IIIF_CACHE_CONTROL_IMAGE)

    @property
    def cache_control_information(self) -> str:
        return str(settings.IIIF_CACHE_CONTROL_INFORMATION)

    @property
    def cache_control_error(self) -> str:
        return str(settings.IIIF_CACHE_CONTROL_ERROR)

    @property
    def served_image_ttl_seconds(self) -> float:
        return float(settings.IIIF_SERVED_IMAGE_TTL)

    @property
    def unknown_image_ttl_seconds(self) -> float:
        return float(settings.IIIF_UNKNOWN_IMAGE_TTL)

    @cached_property
    def encoding(self) -> EncodeOptions:
        overrides: Mapping[str, Any] = settings.IIIF_ENCODING
        return EncodeOptions(**overrides)

    @property
    def presentation_page_size(self) -> int:
        """Members of one page of a collection or feed."""
        return int(settings.IIIF_PRESENTATION_PAGE_SIZE)

    @property
    def manifest_max_images(self) -> int:
        return int(settings.IIIF_MANIFEST_MAX_IMAGES)

    @property
    def query_max_images(self) -> int:
        return int(settings.IIIF_QUERY_MAX_IMAGES)

    @property
    def queries_per_minute(self) -> int:
        return int(settings.IIIF_QUERIES_PER_MINUTE)

    @property
    def passes_through(self) -> bool:
        return bool(settings.IIIF_PASS_THROUGH)

    @property
    def uses_jp2_index(self) -> bool:
        return bool(settings.IIIF_JP2_INDEX)

    @property
    def uses_tiff_pieces(self) -> bool:
        return bool(settings.IIIF_TIFF_PIECES)

    @property
    def metatile_size(self) -> int:
        return int(settings.IIIF_METATILE_SIZE)

    @property
    def kept_level_size(self) -> int:
        return int(settings.IIIF_KEPT_LEVEL_SIZE)

    @cached_property
    def thumbnail_boxes(self) -> tuple[int, ...]:
        """Sides in pixels, ascending."""
        return tuple(sorted(map(int, settings.IIIF_THUMBNAIL_SIZES)))

    @property
    def thumbnail_upscale_percent(self) -> float:
        return float(settings.IIIF_THUMBNAIL_UPSCALE_THRESHOLD)

    @property
    def layer_policy(self) -> LayerPolicy:
        return LayerPolicy(settings.IIIF_LAYER_POLICY)

    @property
    def index_memory_bytes(self) -> int:
        return int(settings.IIIF_INDEX_MEMORY_BYTES)

    @cached_property
    def source_limits(self) -> SourceLimits:
        return SourceLimits(
            max_pixels_tiled=int(settings.IIIF_SOURCE_MAX_PIXELS_TILED),
            max_pixels_untiled=int(settings.IIIF_SOURCE_MAX_PIXELS_UNTILED),
        )

    @property
    def source_max_bytes(self) -> int:
        return int(settings.IIIF_SOURCE_MAX_BYTES)

    @cached_property
    def source_formats(self) -> frozenset[SourceFormat]:
        return frozenset(SourceFormat(name) for name in settings.IIIF_SOURCE_FORMATS)

    @property
    def upload_max_bytes(self) -> int:
        return int(settings.IIIF_UPLOAD_MAX_BYTES)

    @property
    def api_max_body_bytes(self) -> int:
        return int(settings.IIIF_API_MAX_BODY_BYTES)

    @property
    def batch_max_rows(self) -> int:
        return int(settings.IIIF_BATCH_MAX_ROWS)

    @property
    def http_source_options(self) -> dict[str, Any]:
        return {
            "cache_dir": str(settings.IIIF_SOURCE_CACHE_DIR),
            "total_seconds": float(settings.IIIF_FETCH_SECONDS),
            "max_bytes": int(settings.IIIF_FETCH_MAX_BYTES),
            "ports": tuple(settings.IIIF_SOURCE_PORTS),
            "allowed_networks": tuple(settings.IIIF_SOURCE_NETWORKS),
        }

    @property
    def object_source_options(self) -> dict[str, Any]:
        return {
            "connect_seconds": float(settings.IIIF_STORE_CONNECT_SECONDS),
            "read_seconds": float(settings.IIIF_STORE_READ_SECONDS),
            "total_seconds": float(settings.IIIF_FETCH_SECONDS),
            "retries": int(settings.IIIF_STORE_RETRIES),
            "retry_seconds": float(settings.IIIF_STORE_RETRY_SECONDS),
        }

    @property
    def self_registration_seconds(self) -> float:
        return float(settings.IIIF_SELF_REGISTRATION_SECONDS)

    @property
    def self_registration_per_minute(self) -> int:
        return int(settings.IIIF_SELF_REGISTRATION_PER_MINUTE)

    @property
    def self_registration_missing_seconds(self) -> float:
        return float(settings.IIIF_SELF_REGISTRATION_MISSING_SECONDS)

    @property
    def flickr_api_url(self) -> str:
        return str(settings.IIIF_FLICKR_API)

    @property
    def events_secret(self) -> str:
        return str(settings.IIIF_EVENTS_SECRET)

    @property
    def stalled_seconds(self) -> int:
        return int(settings.IIIF_STALLED_SECONDS)

    @property
    def refresh_at_once(self) -> int:
        return int(settings.IIIF_REFRESH_AT_ONCE)

    @property
    def ingest_attempts(self) -> int:
        return int(settings.IIIF_INGEST_ATTEMPTS)

    @property
    def quarantine_deaths(self) -> int:
        return int(settings.IIIF_QUARANTINE_DEATHS)

    @property
    def service_copy_storage(self) -> str:
        return str(settings.IIIF_SERVICE_COPY_STORAGE)

    @property
    def service_copy_options(self) -> CopyOptions:
        return CopyOptions(quality=int(settings.IIIF_SERVICE_COPY_QUALITY), background=self.encoding.background)

    @property
    def service_copy_use(self) -> str:
        return str(settings.IIIF_SERVICE_COPY_USE)

    @property
    def service_copy_seconds(self) -> int:
        return int(settings.IIIF_SERVICE_COPY_SECONDS)

    @property
    def decode_memory_limit_bytes(self) -> int:
        """What a plan may need: the rest of a decoder's memory is for what was not foreseen."""
        return int(settings.DECODE_MEMORY_BYTES * 0.7)

    @property
    def isolation(self) -> str:
        return str(settings.DECODE_ISOLATION)


conf = ImagesConf()


def _forget_cached_settings(**_kwargs: object) -> None:
    vars(conf).clear()


setting_changed.connect(_forget_cached_settings, dispatch_uid="images.conf")
