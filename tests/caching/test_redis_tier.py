"""What only the tier in Redis does: its budget, its age, and that Redis may be full."""

from collections.abc import Iterator
from typing import Any

import pytest

from caching.backends.redis import RedisBackend
from caching.errors import CacheFullError, CacheUnavailableError, CorruptEntryError, EntryTooLongError
from caching.eviction import NOTHING, EntryInfo
from tests.caching.conftest import body_of, image_name, key_of
from tests.caching.shared import shared_server, wait_until
from tests.caching.test_backends import put, read
from tests.support.redis import Redis


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def tier(redis: Redis, name: str, **options: Any) -> RedisBackend:
    return RedisBackend(url=redis.url, namespace=name, **options)


def test_it_stays_within_its_budget(redis: Redis) -> None:
    backend = tier(redis, "budget", byte_budget=200_000, entry_budget=30)
    for number in range(300):
        put(backend, key_of(number, image=number % 7), 5000 + number)
        held = backend.usage().held
        assert held.bytes <= 200_000
        assert held.entries <= 30
    assert read(backend.find(key_of(299, image=299 % 7))) == body_of(key_of(299, image=299 % 7), 5299)
    counted = backend.sweep().usage
    assert counted is not None
    assert counted.held == backend.usage().held != NOTHING


def test_what_is_too_long_is_refused_before_it_is_sent(redis: Redis) -> None:
    backend = tier(redis, "long", entry_bytes=1000)
    writer = backend.open_writer(key_of(1), "image/jpeg")
    with pytest.raises(EntryTooLongError):
        writer.write(bytes(1001))
    with pytest.raises(CacheFullError):
        put(tier(redis, "small", byte_budget=1000), key_of(1))


def test_unused_entries_leave_by_themselves_and_are_not_counted_for_ever(redis: Redis) -> None:
    backend = tier(redis, "age", seconds=1)
    put(backend, key_of(1))
    assert wait_until(lambda: backend.find(key_of(1)) is None)
    assert wait_until(lambda: backend.sweep().leftovers == 1)
    assert backend.usage().held == NOTHING


def test_what_changes_while_a_sweep_lists_is_counted(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = tier(redis, "changing")
    for number in range(3):
        put(backend, key_of(number, image=number))
    pages = backend._pages

    def list_and_change(image: str | None) -> Iterator[list[EntryInfo]]:
        found = list(pages(image))
        monkeypatch.setattr(backend, "_pages", pages)
        backend.discard(image_name(1))
        put(backend, key_of(9, image=9))
        put(backend, key_of(8, image=8))
        return iter(found)

    monkeypatch.setattr(backend, "_pages", list_and_change)
    assert backend.sweep().ran
    assert backend.usage().held.entries == 4
    assert backend.discard().entries == 4
    assert backend.usage().held == NOTHING


def test_an_account_that_is_wrong_is_set_right(redis: Redis) -> None:
    backend = tier(redis, "wrong")
    put(backend, key_of(1))
    before = backend.usage().held
    backend._correct(NOTHING - before - before)
    assert backend.usage().held == NOTHING
    backend.sweep()
    assert backend.usage().held == before


def test_superseded_versions_and_what_is_beyond_the_share_of_an_image_are_swept(redis: Redis) -> None:
    backend = tier(redis, "share", entry_budget=100, image_share=0.2)
    put(backend, key_of(1, version=1))
    put(backend, key_of(1, version=2))
    for number in range(60):
        put(backend, key_of(number, image=8))
    for number in range(35):
        put(backend, key_of(number, image=100 + number))
    assert backend.sweep().evicted.entries == 7
    assert backend.find(key_of(1, version=1)) is None
    assert all(backend.find(key_of(number, image=100 + number)) for number in range(35))
    assert backend.discard(image_name(8), dry_run=True).entries == 54


def test_damage_is_noticed_and_removed(redis: Redis) -> None:
    backend = tier(redis, "damage")
    put(backend, key_of(1))
    server = shared_server(redis)
    (key,) = server.call(lambda client: list(client.scan_iter("*damage:entry:*")))
    server.call(lambda client: client.setrange(key, 200, b"\0\0"))
    with pytest.raises(CorruptEntryError):
        backend.find(key_of(1))
    assert backend.find(key_of(1)) is None
    assert backend.usage().held == NOTHING


def test_two_sweepers_do_not_sweep_at_once(redis: Redis) -> None:
    backend = tier(redis, "sweepers")
    server = shared_server(redis)
    server.call(lambda client: client.set("iiif:sweepers:sweep", b"1"))
    assert not backend.sweep().ran
    server.call(lambda client: client.delete("iiif:sweepers:sweep"))
    assert backend.sweep().ran


def fill(backend: RedisBackend) -> None:
    for number in range(2, 2000):
        put(backend, key_of(number), 20_000)


def test_a_redis_that_is_full_is_read_and_not_written() -> None:
    with Redis(memory=3 * 2**20) as redis:
        backend = tier(redis, "full")
        put(backend, key_of(1))
        with pytest.raises(CacheFullError):
            fill(backend)
        assert read(backend.find(key_of(1))) == body_of(key_of(1))
        with pytest.raises(CacheFullError):
            put(backend, key_of(5000))
        assert backend.find(key_of(5000)) is None


def test_a_redis_that_is_not_there_is_unavailable() -> None:
    with Redis() as redis:
        backend = tier(redis, "gone")
        redis.stop()
        for action in (lambda: backend.find(key_of(1)), lambda: put(backend, key_of(1)), backend.sweep, backend.usage):
            with pytest.raises(CacheUnavailableError):
                action()
