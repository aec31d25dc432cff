"""The Redis server that the nodes share, behind a circuit breaker: nothing hangs on it.

Whoever asks it has an answer within a fraction of a second, or CacheUnavailableError; once it has failed a few times,
at once. What lies in Redis has our own form, never a pickle.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from caching.breaker import Breaker
from caching.conf import conf
from caching.errors import CacheFullError, CacheUnavailableError

T = TypeVar("T")

_LISTENING_SECONDS = 1.0
"""For the connection that listens: it hurries nobody."""


class SharedServer:
    """One per process and URL. `namespace` begins every key and channel. Thread-safe; a fork gets connections anew."""

    def __init__(self, url: str, *, namespace: str, seconds: float, breaker: Breaker) -> None:
        self.namespace = namespace
        self._breaker = breaker
        self._client = _client(url, seconds)
        self._listening = _client(url, _LISTENING_SECONDS)

    @property
    def is_resting(self) -> bool:
        """Whether it has failed lately, so that it is not asked."""
        return self._breaker.is_open

    def call(self, action: Callable[[Redis], T]) -> T:
        """What `action` gets from Redis. Raises CacheUnavailableError, or CacheFullError where Redis is full."""
        if not self._breaker.allows():
            raise CacheUnavailableError("Redis has failed a moment ago")
        try:
            result = action(self._client)
        except OutOfMemoryError as error:
            self._breaker.note_success()
            raise CacheFullError(f"Redis is full: {error}") from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            self._breaker.note_failure()
            raise CacheUnavailableError(f"Redis does not answer: {error}") from error
        except RedisError as error:
            self._breaker.note_success()
            raise CacheUnavailableError(f"Redis refuses: {error}") from error
        except BaseException:
            self._breaker.note_success()
            raise
        self._breaker.note_success()
        return result

    def listener(self) -> PubSub:
        """For messages; what it raises are the errors of redis-py."""
        return self._listening.pubsub()  # type: ignore[no-untyped-call,no-any-return]

    def close(self) -> None:
        self._client.close()
        self._listening.close()


def _client(url: str, seconds: float) -> Redis:
    return Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0), protocol=2
    )


@lru_cache(maxsize=1)
def find_shared_server() -> SharedServer | None:
    """The one that the settings name; None where there is none."""
    if not conf.redis_url:
        return None
    breaker = Breaker(conf.redis_failures, conf.redis_rest_seconds)
    return SharedServer(conf.redis_url, namespace=conf.redis_namespace, seconds=conf.redis_seconds, breaker=breaker)


os.register_at_fork(after_in_child=find_shared_server.cache_clear)
