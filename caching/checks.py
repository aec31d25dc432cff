"""System checks of the settings of the cache: one function, one id, for each."""

import re
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from redis import Redis

from caching.backends.registry import build_backend, build_tiers
from caching.conf import conf
from caching.sources.conf import conf as source_conf


def check_switch(**_kwargs: Any) -> Sequence[CheckMessage]:
    value = conf.switch
    if value in ("on", "off"):
        return []
    return [_error("E001", "IIIF_DERIVATIVE_CACHE", "'on' or 'off'", value)]


def check_backend(**_kwargs: Any) -> Sequence[CheckMessage]:
    value: object = conf.backend
    if not isinstance(value, dict) or not isinstance(value.get("BACKEND"), str):
        return [_error("E002", "IIIF_DERIVATIVE_CACHE_BACKEND", "a dict with a BACKEND", value)]
    try:
        build_backend(value, byte_budget=1, entry_budget=1)
    except (ImportError, TypeError, ValueError) as error:
        text = f"IIIF_DERIVATIVE_CACHE_BACKEND cannot be built: {error}"
        return [Error(text, id="caching.E002")]
    return []


def check_tiers(**_kwargs: Any) -> Sequence[CheckMessage]:
    value: object = conf.tiers
    if value == [conf.backend]:
        return []
    shapes = isinstance(value, list | tuple) and all(
        isinstance(tier, dict) and isinstance(tier.get("BACKEND"), str) for tier in value
    )
    if not shapes:
        return [_error("E016", "IIIF_DERIVATIVE_CACHE_TIERS", "a list of dicts with a BACKEND", value)]
    try:
        build_tiers(conf.tiers)
    except (ImportError, TypeError, ValueError) as error:
        return [Error(f"IIIF_DERIVATIVE_CACHE_TIERS cannot be built: {error}", id="caching.E016")]
    return []


def check_image_share(**_kwargs: Any) -> Sequence[CheckMessage]:
    value: object = conf.image_share
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return []
    return [_error("E017", "IIIF_DERIVATIVE_CACHE_IMAGE_SHARE", "above 0 and at most 1", value)]


def check_tier_queue(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _positive_int("E018", "IIIF_DERIVATIVE_CACHE_TIER_QUEUE", conf.tier_queue)


def check_second_demand(**_kwargs: Any) -> Sequence[CheckMessage]:
    value: object = conf.second_demand_seconds
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 30 * 86_400:
        return []
    name = "IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS"
    return [_error("E019", name, "a number of seconds from 0 to a month", value)]


def check_byte_budget(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _positive_int("E003", "IIIF_DERIVATIVE_CACHE_BYTES", conf.byte_budget)


def check_entry_budget(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _positive_int("E004", "IIIF_DERIVATIVE_CACHE_ENTRIES", conf.entry_budget)


def check_entry_bytes(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _positive_int("E005", "IIIF_DERIVATIVE_CACHE_ENTRY_BYTES", conf.entry_bytes)


def check_bypass_seconds(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _seconds("E006", "IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS", conf.bypass_seconds)


def check_wait_seconds(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _seconds("E007", "IIIF_SINGLE_FLIGHT_SECONDS", conf.wait_seconds)


def check_lock_file(**_kwargs: Any) -> Sequence[CheckMessage]:
    try:
        path = conf.lock_file
    except TypeError as error:
        return [Error(f"IIIF_SINGLE_FLIGHT_LOCK_FILE is no path: {error}", id="caching.E008")]
    if path is not None and path.is_dir():
        return [_error("E008", "IIIF_SINGLE_FLIGHT_LOCK_FILE", "a file, not a folder", path)]
    return []


def check_memory_bytes(**_kwargs: Any) -> Sequence[CheckMessage]:
    value: object = conf.memory_bytes
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return []
    return [_error("E009", "IIIF_DERIVATIVE_CACHE_MEMORY_BYTES", "a whole number, 0 or more", value)]


def check_statistics_folder(**_kwargs: Any) -> Sequence[CheckMessage]:
    try:
        path = conf.statistics_folder
    except TypeError as error:
        return [Error(f"IIIF_STATISTICS_DIR is no path: {error}", id="caching.E030")]
    if path.exists() and not path.is_dir():
        return [_error("E030", "IIIF_STATISTICS_DIR", "a folder", path)]
    return []


def check_source_folder(**_kwargs: Any) -> Sequence[CheckMessage]:
    try:
        path = source_conf.source_folder
    except TypeError as error:
        return [Error(f"IIIF_SOURCE_CACHE_DIR is no path: {error}", id="caching.E040")]
    if not path.is_absolute() or path.is_file():
        return [_error("E040", "IIIF_SOURCE_CACHE_DIR", "an absolute folder", path)]
    return []


def check_source_budgets(**_kwargs: Any) -> Sequence[CheckMessage]:
    return [
        *_positive_int("E041", "IIIF_SOURCE_CACHE_BYTES", source_conf.source_bytes),
        *_positive_int("E042", "IIIF_SOURCE_CACHE_ENTRIES", source_conf.source_entries),
        *_positive_int("E043", "IIIF_SOURCE_CACHE_FILLS", source_conf.source_fills),
        *_positive_int("E044", "IIIF_BLOCK_CACHE_ENTRIES", source_conf.block_entries),
    ]


def check_source_memory(**_kwargs: Any) -> Sequence[CheckMessage]:
    values: dict[str, object] = {
        "IIIF_SOURCE_MEMORY_BYTES": source_conf.source_memory_bytes,
        "IIIF_BLOCK_CACHE_MEMORY_BYTES": source_conf.block_memory_bytes,
        "IIIF_BLOCK_CACHE_DISK_BYTES": source_conf.block_disk_bytes,
    }
    return [
        _error("E045", name, "a whole number, 0 or more", value)
        for name, value in values.items()
        if not isinstance(value, int) or isinstance(value, bool) or value < 0
    ]


def check_source_times(**_kwargs: Any) -> Sequence[CheckMessage]:
    ttl: object = source_conf.source_ttl_seconds
    is_time = isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl >= 0
    wrong = [] if is_time else [_error("E046", "IIIF_SOURCE_CACHE_TTL", "a number of seconds, 0 or more", ttl)]
    return [*wrong, *_seconds("E047", "IIIF_SOURCE_FAILURE_TTL", source_conf.source_failure_seconds)]


def check_source_waiting(**_kwargs: Any) -> Sequence[CheckMessage]:
    return [
        *_positive_int("E048", "IIIF_SOURCE_WAITING", source_conf.source_waiting),
        *_positive_int("E048", "IIIF_SOURCE_WAITING_TOTAL", source_conf.source_waiting_total),
        *_positive_int("E049", "IIIF_SOURCE_TIMEOUTS", source_conf.source_timeouts),
        *_seconds("E050", "IIIF_SOURCE_REST_SECONDS", source_conf.source_rest_seconds),
    ]


def check_redis_url(**_kwargs: Any) -> Sequence[CheckMessage]:
    if not conf.redis_url:
        return []
    try:
        Redis.from_url(conf.redis_url)
    except (ValueError, TypeError) as error:
        return [Error(f"IIIF_REDIS_URL cannot be read: {error}", id="caching.E010")]
    return []


def check_redis_seconds(**_kwargs: Any) -> Sequence[CheckMessage]:
    value: object = conf.redis_seconds
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 10:
        return []
    return [_error("E011", "IIIF_REDIS_SECONDS", "a number of seconds above 0, up to 10", value)]


def check_redis_failures(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _positive_int("E012", "IIIF_REDIS_FAILURES", conf.redis_failures)


def check_redis_rest_seconds(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _seconds("E013", "IIIF_REDIS_REST_SECONDS", conf.redis_rest_seconds)


def check_redis_namespace(**_kwargs: Any) -> Sequence[CheckMessage]:
    value = conf.redis_namespace
    if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value):
        return []
    return [_error("E014", "IIIF_REDIS_NAMESPACE", "letters, digits, dots, dashes and underscores", value)]


def check_last_known_seconds(**_kwargs: Any) -> Sequence[CheckMessage]:
    return _positive_int("E015", "IIIF_LAST_KNOWN_SECONDS", conf.last_known_seconds)


def check_metrics_networks(**_kwargs: Any) -> Sequence[CheckMessage]:
    try:
        list(conf.metrics_networks)
    except (TypeError, ValueError) as error:
        return [Error(f"IIIF_METRICS_NETWORKS must be addresses or networks: {error}", id="caching.E016")]
    return []


ALL = (
    check_switch,
    check_backend,
    check_tiers,
    check_image_share,
    check_tier_queue,
    check_second_demand,
    check_byte_budget,
    check_entry_budget,
    check_entry_bytes,
    check_bypass_seconds,
    check_wait_seconds,
    check_lock_file,
    check_memory_bytes,
    check_statistics_folder,
    check_source_folder,
    check_source_budgets,
    check_source_memory,
    check_source_times,
    check_source_waiting,
    check_redis_url,
    check_redis_seconds,
    check_redis_failures,
    check_redis_rest_seconds,
    check_redis_namespace,
    check_last_known_seconds,
    check_metrics_networks,
)


def _positive_int(number: str, name: str, value: object) -> list[CheckMessage]:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return []
    return [_error(number, name, "a whole number above 0", value)]


def _seconds(number: str, name: str, value: object) -> list[CheckMessage]:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3600:
        return []
    return [_error(number, name, "a number of seconds from 0 to 3600", value)]


def _error(number: str, name: str, wanted: str, value: object) -> Error:
    return Error(f"{name} has to be {wanted}; it is {value!r}", id=f"caching.{number}")
