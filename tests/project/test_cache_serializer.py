"""What Django's cache holds in Redis is data, never code."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from redis import Redis as Connection

from iiifserver.cache_serializer import JsonSerializer
from tests.support.redis import Redis


class Writes:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture(name="cache")
def fixture_cache(redis_server: Redis) -> RedisCache:
    return RedisCache(redis_server.url, {"OPTIONS": {"serializer": "iiifserver.cache_serializer.JsonSerializer"}})


def test_the_settings_name_it() -> None:
    text = (Path(settings.BASE_DIR) / "iiifserver" / "settings" / "base.py").read_text()
    assert f"iiifserver.cache_serializer.{JsonSerializer.__name__}" in text


def test_a_pickle_is_not_loaded(cache: RedisCache, redis_server: Redis, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    Connection.from_url(redis_server.url).set(cache.make_key("a"), pickle.dumps(Writes(witness)))
    assert cache.get("a") is None
    assert not witness.exists()


def test_what_a_throttle_keeps_comes_back(cache: RedisCache) -> None:
    cache.set("times", [3.5, 1.25], 60)
    assert cache.get("times") == [3.5, 1.25]
    cache.set("number", 1, 60)
    assert cache.incr("number") == 2
