"""System checks of the settings of the cache: one function, one id, for each."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error

from caching.backends.registry import build_backend
from caching.conf import conf


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


ALL = (
    check_switch,
    check_backend,
    check_byte_budget,
    check_entry_budget,
    check_entry_bytes,
    check_bypass_seconds,
    check_wait_seconds,
    check_lock_file,
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
