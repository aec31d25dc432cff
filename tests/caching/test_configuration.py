"""Settings, their checks, the task and the command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from caching.backends.disk import DiskBackend
from caching.backends.null import NullBackend
from caching.breaker import Breaker
from caching.bus import Bus, get_bus
from caching.conf import conf
from caching.derivatives import get_derivative_cache
from caching.shared import SharedServer
from caching.tasks import sweep_task
from tests.caching.conftest import files_below, image_name, key_of, store
from tests.caching.shared import wait_until
from tests.support.redis import Redis


@pytest.fixture(autouse=True)
def configured(settings: Settings, root: Path) -> Iterator[None]:
    settings.IIIF_DERIVATIVE_CACHE_BACKEND = {"BACKEND": "disk", "OPTIONS": {"root": root}}
    yield
    get_derivative_cache().wait_for_sweep()


def found() -> list[str]:
    return [str(message.id) for message in run_checks(tags=["caching"])]


def test_the_configured_settings_pass() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("IIIF_DERIVATIVE_CACHE", "maybe", "E001"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", "disk", "E002"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", {}, "E002"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", {"BACKEND": "nowhere.Backend", "OPTIONS": {}}, "E002"),
        ("IIIF_DERIVATIVE_CACHE_BACKEND", {"BACKEND": "disk", "OPTIONS": {"rot": "/x"}}, "E002"),
        ("IIIF_DERIVATIVE_CACHE_BYTES", 0, "E003"),
        ("IIIF_DERIVATIVE_CACHE_BYTES", "10G", "E003"),
        ("IIIF_DERIVATIVE_CACHE_ENTRIES", True, "E004"),
        ("IIIF_DERIVATIVE_CACHE_ENTRY_BYTES", -1, "E005"),
        ("IIIF_DERIVATIVE_CACHE_BYPASS_SECONDS", None, "E006"),
        ("IIIF_SINGLE_FLIGHT_SECONDS", -0.1, "E007"),
        ("IIIF_SINGLE_FLIGHT_LOCK_FILE", 7, "E008"),
        ("IIIF_SINGLE_FLIGHT_LOCK_FILE", "/", "E008"),
        ("IIIF_DERIVATIVE_CACHE_MEMORY_BYTES", -1, "E009"),
        ("IIIF_REDIS_URL", "http://nowhere", "E010"),
        ("IIIF_REDIS_SECONDS", 0, "E011"),
        ("IIIF_REDIS_FAILURES", 0, "E012"),
        ("IIIF_REDIS_REST_SECONDS", "5", "E013"),
        ("IIIF_REDIS_NAMESPACE", "two words", "E014"),
        ("IIIF_LAST_KNOWN_SECONDS", 0.5, "E015"),
        ("IIIF_DERIVATIVE_CACHE_TIERS", ["disk"], "E016"),
        ("IIIF_DERIVATIVE_CACHE_TIERS", [{"BACKEND": "redis"}], "E016"),
        ("IIIF_DERIVATIVE_CACHE_TIERS", [{"BACKEND": "objects", "OPTIONS": {"url": "ftp://x/y"}}], "E016"),
        ("IIIF_DERIVATIVE_CACHE_TIERS", [{"BACKEND": "storage", "OPTIONS": {"storage": "nowhere"}}], "E016"),
        ("IIIF_DERIVATIVE_CACHE_IMAGE_SHARE", 0, "E017"),
        ("IIIF_DERIVATIVE_CACHE_TIER_QUEUE", 0, "E018"),
        ("IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS", -1, "E019"),
        ("IIIF_STATISTICS_DIR", 7, "E030"),
        ("IIIF_STATISTICS_DIR", "/dev/null", "E030"),
    ],
)
def test_each_setting_is_checked(settings: Settings, name: str, value: Any, number: str) -> None:
    before = getattr(settings, name, None)
    setattr(settings, name, value)
    try:
        assert found() == [f"caching.{number}"]
    finally:
        if before is None:
            delattr(settings, name)
        else:
            setattr(settings, name, before)


def test_defaults() -> None:
    assert conf.entry_budget == 200_000
    assert conf.entry_bytes == 128 * 2**20
    assert conf.bypass_seconds == 60
    assert conf.wait_seconds == 45
    assert conf.lock_file is not None


def test_the_cache_is_built_once_and_anew_when_settings_change(settings: Settings) -> None:
    cache = get_derivative_cache()
    assert cache is get_derivative_cache()
    assert isinstance(cache._backend, DiskBackend)
    settings.IIIF_DERIVATIVE_CACHE = "off"
    assert isinstance(get_derivative_cache()._backend, NullBackend)
    assert store(get_derivative_cache(), key_of(1)) == store(get_derivative_cache(), key_of(1))


def test_budgets_come_from_the_settings_unless_the_options_have_them(settings: Settings, root: Path) -> None:
    settings.IIIF_DERIVATIVE_CACHE_BYTES = 5_000_000
    assert get_derivative_cache().usage().budget.bytes == 5_000_000
    settings.IIIF_DERIVATIVE_CACHE_BACKEND = {"BACKEND": "disk", "OPTIONS": {"root": root, "byte_budget": 7}}
    assert get_derivative_cache().usage().budget.bytes == 7


def test_the_task_sweeps(root: Path) -> None:
    assert sweep_task.name == "caching.sweep"
    store(get_derivative_cache(), key_of(1))
    get_derivative_cache().wait_for_sweep()
    (file,) = files_below(root / "entries")
    file.write_bytes(b"")
    sweep_task.run()
    assert not file.exists()


def test_tiers_are_built_in_their_order_and_named(settings: Settings, root: Path, redis_server: Redis) -> None:
    settings.IIIF_REDIS_URL = redis_server.url
    folders = [root.parent / name for name in ("one", "two")]
    settings.IIIF_DERIVATIVE_CACHE_TIERS = [
        {"BACKEND": "disk", "OPTIONS": {"root": root}},
        {"BACKEND": "redis", "OPTIONS": {"byte_budget": 1_000_000}},
        *({"BACKEND": "caching.backends.objects.ObjectBackend", "OPTIONS": {"url": f.as_uri()}} for f in folders),
    ]
    assert found() == []
    cache = get_derivative_cache()
    assert isinstance(cache._backend, DiskBackend)
    assert cache.usage().budget.bytes == 10 * 2**30
    usages = cache.far_usage()
    assert list(usages) == ["redis", "object", "object2"]
    assert usages["redis"].budget.bytes == 1_000_000
    body = store(cache, key_of(1))
    assert cache.wait_for_writes()
    assert all(usage.held.entries == 1 for usage in cache.far_usage().values())
    assert body
    cache.wait_for_sweep()
    cache.discard_all()
    assert wait_until(lambda: all(usage.held.entries == 0 for usage in cache.far_usage().values()))


def test_other_processes_drop_from_memory_what_is_purged(settings: Settings, redis_server: Redis) -> None:
    settings.IIIF_REDIS_URL = redis_server.url
    cache = get_derivative_cache()
    for image in (1, 2):
        for _ in range(2):
            store(cache, key_of(1, image=image))
    held = cache._memory.byte_size
    get_bus().listen()
    assert get_bus().wait_until_connected(20)
    for image in (1, 2):  # whoever has just connected trusts nothing
        store(cache, key_of(1, image=image))
    assert wait_until(lambda: cache._memory.byte_size == held)
    server = SharedServer(redis_server.url, namespace="iiif", seconds=1.0, breaker=Breaker(3, 1.0))
    Bus(server).publish("other", "news")
    server.call(lambda redis: redis.publish("iiif:news", json.dumps(["other", "discarded", image_name(1), ""])))
    assert wait_until(lambda: cache._memory.byte_size == held / 2)
    server.call(lambda redis: redis.publish("iiif:news", json.dumps(["other", "discarded", "", ""])))
    assert wait_until(lambda: cache._memory.byte_size == 0)
