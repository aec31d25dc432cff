"""Redis behind its breaker: gone, hung and full."""

import time

import pytest

from caching.errors import CacheFullError, CacheUnavailableError
from caching.last_known import LastKnown
from caching.shared import SharedServer
from tests.caching.shared import shared_server, wait_until
from tests.support.redis import Redis


def ping(server: SharedServer) -> bool:
    try:
        return bool(server.call(lambda redis: redis.ping()))
    except CacheUnavailableError:
        return False


def test_a_server_that_is_gone_is_not_asked_and_found_again(redis_server: Redis) -> None:
    server = shared_server(redis_server)
    assert ping(server)
    redis_server.stop()
    assert [ping(server) for _ in range(4)] == [False] * 4
    assert server.is_resting
    redis_server.start()
    assert wait_until(lambda: ping(server))
    assert not server.is_resting


def test_a_server_that_hangs_costs_three_waits(redis_server: Redis) -> None:
    server = shared_server(redis_server, rest_seconds=60)
    assert ping(server)
    redis_server.halt()
    began = time.monotonic()
    assert not any(ping(server) for _ in range(1000))
    # 3 × 0.5 seconds of waiting; 1,000 would be 500.
    assert time.monotonic() - began < 50
    redis_server.go_on()


def fill(server: SharedServer, number: int) -> None:
    for piece in range(100):
        name = f"{number}-{piece}"
        server.call(lambda redis, name=name: redis.set(name, bytes(100_000)))  # type: ignore[misc]


def test_a_full_server_says_so_and_stays_in_use() -> None:
    with Redis(memory=2 * 2**20) as redis:
        server = shared_server(redis)
        for number in range(10):
            with pytest.raises(CacheFullError):
                fill(server, number)
        assert ping(server)


def test_a_command_that_redis_refuses_leaves_the_breaker_closed(redis_server: Redis) -> None:
    server = shared_server(redis_server)
    server.call(lambda redis: redis.set("text", "a"))
    for _ in range(5):
        with pytest.raises(CacheUnavailableError, match="refuses"):
            server.call(lambda redis: redis.lpush("text", "b"))
    assert not server.is_resting


def test_what_was_last_known_is_found_by_others(redis_server: Redis) -> None:
    known = LastKnown(shared_server(redis_server), 60)
    known.remember("record", "a", lambda: b"facts")
    assert known.wait()
    other = LastKnown(shared_server(redis_server), 60)
    assert other.find("record", "a") == b"facts"
    assert other.find("index", "a") is None
    known.forget("record", "a")
    assert other.find("record", "a") is None


def test_what_is_forgotten_stays_so_though_it_was_waiting_to_be_written(redis_server: Redis) -> None:
    known = LastKnown(shared_server(redis_server), 60)

    def slowly() -> bytes:
        time.sleep(0.2)
        return b"old"

    known.remember("record", "a", slowly)
    known.forget("record", "a")
    assert known.wait()
    assert known.find("record", "a") is None


def test_damage_in_redis_is_found_and_removed(redis_server: Redis) -> None:
    from caching.errors import CorruptEntryError

    server = shared_server(redis_server)
    known = LastKnown(server, 60)
    known.remember("record", "a", lambda: b"facts")
    assert known.wait()
    (key,) = server.call(lambda redis: list(redis.scan_iter("test:known:*")))
    server.call(lambda redis: redis.setrange(key, 60, b"X"))
    with pytest.raises(CorruptEntryError):
        known.find("record", "a")
    assert known.find("record", "a") is None


def test_without_redis_nothing_is_known() -> None:
    known = LastKnown(None, 60)
    known.remember("record", "a", lambda: b"facts")
    known.forget("record", "a")
    assert known.find("record", "a") is None


def test_what_is_buried_while_redis_is_away_is_so_when_it_is_back(redis_server: Redis) -> None:
    away = shared_server(redis_server, port=1)
    known = LastKnown(away, 60)
    known.bury("record", "mark")
    assert known.is_buried("record", "mark")  # here at once
    others = LastKnown(shared_server(redis_server), 60)
    assert not others.is_buried("record", "mark")
    known._server = shared_server(redis_server)
    assert known.find("record", "anything") is None
    assert others.is_buried("record", "mark")
    assert not others.is_buried("record", "other")


def test_a_grave_outlasts_what_could_be_written_after_it(redis_server: Redis) -> None:
    server = shared_server(redis_server)
    LastKnown(server, 60).bury("record", "mark")
    (grave,) = server.call(lambda redis: list(redis.scan_iter("test:gone:*")))
    assert server.call(lambda redis: redis.ttl(grave)) > 60
