"""A server as nodes share it, and what one notices of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from caching.breaker import Breaker
from caching.bus import Bus, news_missed, news_received
from caching.shared import SharedServer
from tests.support.redis import Redis


def shared_server(redis: Redis, *, rest_seconds: float = 0.2, failures: int = 3, port: int = 0) -> SharedServer:
    url = f"redis://127.0.0.1:{port or redis.port}/0"
    return SharedServer(url, namespace="test", seconds=0.5, breaker=Breaker(failures, rest_seconds))


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


class News:
    """What was heard in this process while it is connected."""

    def __init__(self) -> None:
        self.received: list[tuple[str, tuple[str, ...]]] = []
        self.missed = 0

    def hear(self, topic: str, names: tuple[str, ...], **_kwargs: object) -> None:
        self.received.append((topic, names))

    def miss(self, **_kwargs: object) -> None:
        self.missed += 1


@contextmanager
def hearing() -> Iterator[News]:
    news = News()
    news_received.connect(news.hear)
    news_missed.connect(news.miss)
    try:
        yield news
    finally:
        news_received.disconnect(news.hear)
        news_missed.disconnect(news.miss)


@contextmanager
def listening(server: SharedServer) -> Iterator[Bus]:
    bus = Bus(server)
    bus.listen()
    try:
        assert bus.wait_until_connected(20)
        yield bus
    finally:
        bus.close()
