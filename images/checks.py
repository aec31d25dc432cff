"""System checks: every setting of the image app makes sense, and the libraries are the ones that were tested."""

import ipaddress
import os
import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from images.conf import ImagesConf
from images.decoders.layers import LayerPolicy
from images.iiif.thumbnails import MAX_BOX
from images.offload_conf import offload_conf
from images.sources.connection import resolve_host
from images.sources.http import HttpOptions

_RATE = re.compile(r"[1-9]\d*/(s|sec|m|min|h|hour|d|day)")
_POSITIVE = (
    "IIIF_TILE_SIZE",
    "IIIF_STREAM_AREA",
    "IIIF_PRESENTATION_PAGE_SIZE",
    "IIIF_MANIFEST_MAX_IMAGES",
    "IIIF_QUERY_MAX_IMAGES",
    "IIIF_QUERIES_PER_MINUTE",
    "IIIF_INDEX_MEMORY_BYTES",
    "IIIF_SOURCE_MAX_PIXELS_TILED",
    "IIIF_SOURCE_MAX_PIXELS_UNTILED",
    "IIIF_SOURCE_MAX_BYTES",
    "IIIF_FETCH_SECONDS",
    "IIIF_DATABASE_SECONDS",
    "IIIF_DATABASE_PAGE_SECONDS",
    "IIIF_FETCH_MAX_BYTES",
    "IIIF_SELF_REGISTRATION_SECONDS",
    "IIIF_SELF_REGISTRATION_PER_MINUTE",
    "IIIF_SELF_REGISTRATION_MISSING_SECONDS",
    "IIIF_STORE_CONNECT_SECONDS",
    "IIIF_STORE_READ_SECONDS",
    "IIIF_STORE_RETRY_SECONDS",
    "IIIF_UPLOAD_MAX_BYTES",
    "IIIF_API_MAX_BODY_BYTES",
    "IIIF_BATCH_MAX_ROWS",
    "IIIF_API_PAGE_SIZE",
    "IIIF_API_MAX_PAGE_SIZE",
    "IIIF_STALLED_SECONDS",
    "IIIF_INGEST_ATTEMPTS",
    "IIIF_REFRESH_AT_ONCE",
    "IIIF_QUARANTINE_DEATHS",
    "IIIF_SERVICE_COPY_SECONDS",
    "IIIF_OFFLOAD_ACCEL_BYTES",
    "IIIF_OFFLOAD_BYTES",
    "IIIF_OFFLOAD_ENTRIES",
    "IIIF_OFFLOAD_SECONDS",
    "DECODE_PROCESSES",
    "DECODE_DEAR_PROCESSES",
    "DECODE_QUEUE_LENGTH",
    "DECODE_QUEUE_SECONDS",
    "DECODE_WALL_SECONDS",
    "DECODE_CPU_SECONDS",
    "DECODE_MEMORY_BYTES",
)
_SIDES = {
    "IIIF_METATILE_SIZE": 4096,  # more takes longer to decode than anybody waits for a tile
    "IIIF_KEPT_LEVEL_SIZE": 2048,  # a level is read from the cache as a whole for each answer
}
"""Pixels, from 0 to this."""

_SECRET_LENGTH = 16  # shorter ones can be guessed from one signed body

_TYPED = (
    "limits",
    "capabilities",
    "encoding",
    "source_limits",
    "source_formats",
    "served_image_ttl_seconds",
    "unknown_image_ttl_seconds",
    "layer_policy",
)

_SWITCHES = {"IIIF_PASS_THROUGH": "E008", "IIIF_JP2_INDEX": "E010", "IIIF_TIFF_PIECES": "E040"}
"""True or False, and the numbers of their messages."""


@register("images")
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
    for name, number in _SWITCHES.items():
        if getattr(settings, name) not in (True, False):
            messages.append(Error(f"{name} must be True or False.", id=f"images.{number}"))
    if settings.IIIF_LAYER_POLICY not in tuple(LayerPolicy):
        messages.append(Error(f"IIIF_LAYER_POLICY must be {' or '.join(LayerPolicy)}.", id="images.E017"))
    if settings.DECODE_DEAR_PROCESSES > settings.DECODE_PROCESSES:
        messages.append(Error("DECODE_DEAR_PROCESSES cannot be above DECODE_PROCESSES.", id="images.E009"))
    if settings.IIIF_MAX_HEIGHT is not None and settings.IIIF_MAX_WIDTH is None:
        messages.append(Error("IIIF_MAX_HEIGHT needs IIIF_MAX_WIDTH (Image API 3.0, section 5.3).", id="images.E005"))
    return (
        messages
        + _check_api()
        + _check_events()
        + _check_sides()
        + _check_base_url()
        + _check_http_sources(conf)
        + _check_service_copies()
        + _check_offload()
    )


def _check_offload() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if unknown := offload_conf.ways - {"published", "accel"}:
        text = (
            f'IIIF_OFFLOAD must be "published", "accel" or "published,accel", or empty: {", ".join(sorted(unknown))}.'
        )
        messages.append(Error(text, id="images.E050"))
    folder: object = settings.IIIF_OFFLOAD_DIR
    if not isinstance(folder, str | os.PathLike):
        messages.append(Error("IIIF_OFFLOAD_DIR must be a folder.", id="images.E051"))
    return messages


def _check_service_copies() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.IIIF_SERVICE_COPY_STORAGE not in settings.STORAGES:
        messages.append(Error("IIIF_SERVICE_COPY_STORAGE must be a name in STORAGES.", id="images.E012"))
    quality: object = settings.IIIF_SERVICE_COPY_QUALITY
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        messages.append(Error("IIIF_SERVICE_COPY_QUALITY must be a whole number from 1 to 100.", id="images.E013"))
    if settings.IIIF_SERVICE_COPY_USE not in ("tiles", "reduced", "lossy"):
        messages.append(Error("IIIF_SERVICE_COPY_USE must be tiles, reduced or lossy.", id="images.E014"))
    return messages


def _check_api() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.IIIF_API_REQUIRE_IF_MATCH not in (True, False):
        messages.append(Error("IIIF_API_REQUIRE_IF_MATCH must be True or False.", id="images.E020"))
    rates = settings.IIIF_API_RATES
    if set(rates) != {"anonymous", "read", "write"} or not all(_RATE.fullmatch(str(rate)) for rate in rates.values()):
        detail = 'IIIF_API_RATES must have anonymous, read and write, each such as "600/min".'
        messages.append(Error(detail, id="images.E021"))
    return messages


def _check_thumbnails() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    sizes: object = settings.IIIF_THUMBNAIL_SIZES
    if not isinstance(sizes, list | tuple) or any(type(side) is not int or not 1 <= side <= MAX_BOX for side in sizes):
        text = f"IIIF_THUMBNAIL_SIZES must be a list of sides in pixels, whole numbers from 1 to {MAX_BOX}."
        messages.append(Error(text, id="images.E030"))
    percent: object = settings.IIIF_THUMBNAIL_UPSCALE_THRESHOLD
    if type(percent) not in (int, float) or not 0 <= percent <= 100:  # type: ignore[operator]
        messages.append(Error("IIIF_THUMBNAIL_UPSCALE_THRESHOLD must be a percentage, 0 to 100.", id="images.E031"))
    return messages


def _check_events() -> list[CheckMessage]:
    secret = str(settings.IIIF_EVENTS_SECRET)
    if secret and len(secret) < _SECRET_LENGTH:
        return [Error(f"IIIF_EVENTS_SECRET needs {_SECRET_LENGTH} characters.", id="images.E040")]
    return []


def _check_sides() -> list[CheckMessage]:
    return [
        Error(f"{name} must be a whole number from 0 to {largest}.", id="images.E011")
        for name, largest in _SIDES.items()
        if type(getattr(settings, name)) is not int or not 0 <= getattr(settings, name) <= largest
    ]


def _check_http_sources(conf: ImagesConf) -> list[CheckMessage]:
    if not conf.flickr_api_url.startswith(("http://", "https://")):
        return [Error("IIIF_FLICKR_API must be a URL.", id="images.E019")]
    if type(settings.IIIF_STORE_RETRIES) is not int or settings.IIIF_STORE_RETRIES < 0:
        return [Error("IIIF_STORE_RETRIES must be a whole number, 0 or more.", id="images.E018")]
    try:
        HttpOptions.from_mapping(conf.http_source_options).route(resolve_host)
    except (TypeError, ValueError) as error:
        return [Error(f"A setting of sources named by URL makes no sense: {error}", id="images.E007")]
    return []


def _check_base_url() -> list[CheckMessage]:
    url = settings.IIIF_BASE_URL
    if url and (not url.startswith(("http://", "https://")) or "?" in url or "#" in url):
        return [Error(f"IIIF_BASE_URL must be http:// or https:// and a host, not {url!r}.", id="images.E006")]
    if not settings.IIIF_OWN_ADDRESS.startswith(("http://", "https://")):
        return [Error("IIIF_OWN_ADDRESS must be http:// or https:// and a host.", id="images.E006")]
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
