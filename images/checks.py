"""System checks: every setting of the image app makes sense, and the libraries are the ones that were tested."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from images.conf import ImagesConf
from images.sources.connection import resolve_host
from images.sources.http import HttpOptions

_POSITIVE = (
    "IIIF_TILE_SIZE",
    "IIIF_STREAM_AREA",
    "IIIF_INDEX_MEMORY_BYTES",
    "IIIF_SOURCE_MAX_PIXELS_TILED",
    "IIIF_SOURCE_MAX_PIXELS_UNTILED",
    "IIIF_SOURCE_MAX_BYTES",
    "IIIF_FETCH_SECONDS",
    "IIIF_FETCH_MAX_BYTES",
    "IIIF_UPLOAD_MAX_BYTES",
    "IIIF_STALLED_SECONDS",
    "IIIF_INGEST_ATTEMPTS",
    "IIIF_QUARANTINE_DEATHS",
    "DECODE_PROCESSES",
    "DECODE_DEAR_PROCESSES",
    "DECODE_QUEUE_LENGTH",
    "DECODE_QUEUE_SECONDS",
    "DECODE_WALL_SECONDS",
    "DECODE_CPU_SECONDS",
    "DECODE_MEMORY_BYTES",
)
_TYPED = ("limits", "capabilities", "encoding", "source_limits", "source_formats", "served_image_ttl_seconds")


@register()
def check_settings(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    messages: list[CheckMessage] = []
    for name in _POSITIVE:
        value = getattr(settings, name, None)
        if not isinstance(value, int | float) or value <= 0:
            messages.append(Error(f"{name} must be a number above 0, not {value!r}.", id="images.E001"))
    conf = ImagesConf()
    for name in _TYPED:
        try:
            getattr(conf, name)
        except (TypeError, ValueError) as error:
            messages.append(Error(f"A setting behind {name} makes no sense: {error}", id="images.E002"))
    if settings.IIIF_DEFAULT_API_VERSION not in (2, 3):
        messages.append(Error("IIIF_DEFAULT_API_VERSION must be 2 or 3.", id="images.E003"))
    if settings.DECODE_ISOLATION not in ("pool", "thread"):
        messages.append(Error("DECODE_ISOLATION must be pool or thread.", id="images.E004"))
    if settings.IIIF_PASS_THROUGH not in (True, False):
        messages.append(Error("IIIF_PASS_THROUGH must be True or False.", id="images.E008"))
    if settings.DECODE_DEAR_PROCESSES > settings.DECODE_PROCESSES:
        messages.append(Error("DECODE_DEAR_PROCESSES cannot be above DECODE_PROCESSES.", id="images.E009"))
    if settings.IIIF_MAX_HEIGHT is not None and settings.IIIF_MAX_WIDTH is None:
        messages.append(Error("IIIF_MAX_HEIGHT needs IIIF_MAX_WIDTH (Image API 3.0, section 5.3).", id="images.E005"))
    return messages + _check_base_url() + _check_http_sources(conf)


def _check_http_sources(conf: ImagesConf) -> list[CheckMessage]:
    try:
        HttpOptions.from_mapping(conf.http_source_options).route(resolve_host)
    except (TypeError, ValueError) as error:
        return [Error(f"A setting of sources named by URL makes no sense: {error}", id="images.E007")]
    return []


def _check_base_url() -> list[CheckMessage]:
    url = settings.IIIF_BASE_URL
    if url and (not url.startswith(("http://", "https://")) or "?" in url or "#" in url):
        return [Error(f"IIIF_BASE_URL must be http:// or https:// and a host, not {url!r}.", id="images.E006")]
    try:
        for network in settings.IIIF_TRUSTED_PROXIES:
            ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        return [Error(f"TRUSTED_PROXIES must be addresses or networks: {error}.", id="images.E008")]
    return []


@register(deploy=True)
def check_isolation(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    if settings.DECODE_ISOLATION == "thread":
        return [
            checks.Warning(
                "Decoding runs inside the web process: one hostile file can stop it.",
                hint="Set DECODE_ISOLATION=pool unless every source is your own.",
                id="images.W001",
            )
        ]
    return []
