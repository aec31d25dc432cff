"""What was last known of things that have their home elsewhere, in Redis, for when that is down."""

import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial

from redis import Redis

from caching.backends.packing import pack, unpack
from caching.background import BackgroundQueue
from caching.conf import conf
from caching.errors import CacheError, CorruptEntryError
from caching.shared import SharedServer, find_shared_server

logger = logging.getLogger(__name__)

_WAITING = 1000
_LONGEST_BYTES = 4 * 2**20
"""Longer ones take Redis longer than anybody waits."""
_TYPE = "application/octet-stream"
_OWED = 10_000
"""Farewells that Redis could not be told of yet."""


class LastKnown:
    """Bytes by kind and name, each kept for `seconds` since it was last remembered; written in the background."""

    def __init__(self, server: SharedServer | None, seconds: int) -> None:
        self._server = server
        self._seconds = seconds
        self._queue = BackgroundQueue("last-known", _WAITING)
        self._owed: OrderedDict[tuple[str, str], None] = OrderedDict()

    def remember(self, kind: str, name: str, make: Callable[[], bytes]) -> None:
        """`make` is called later, in another thread; where too much is waiting it is not. Raises nothing."""
        if self._server is not None and not self._server.is_resting:
            self._queue.submit(lambda: self._write(kind, name, make))

    def find(self, kind: str, name: str) -> bytes | None:
        """Raises CacheError."""
        if self._server is None:
            return None
        self._pay(self._server)
        digest = _digest(kind, name)
        key = self._key(kind, digest)
        data = self._server.call(lambda redis: redis.get(key))
        if not isinstance(data, bytes):
            return None
        try:
            return unpack(data, digest)[1]
        except CorruptEntryError:
            self._server.call(lambda redis: redis.delete(key))
            raise

    def forget(self, kind: str, name: str) -> None:
        """At once, and after what waits to be written. Raises nothing."""
        if self._server is None:
            return
        self._drop(kind, name)
        self._queue.submit(lambda: self._drop(kind, name))

    def bury(self, kind: str, mark: str) -> None:
        """What bears this mark is gone for good, whatever is still written of it; remembered for as long as that lasts.

        Raises nothing: where Redis does not answer, it is told before anything else is asked of it.
        """
        if self._server is not None:
            self._owed[(kind, mark)] = None
            while len(self._owed) > _OWED:
                self._owed.popitem(last=False)
            try:
                self._pay(self._server)
            except CacheError as error:
                logger.warning("that %s is gone could not be said yet: %s", mark, error.detail)

    def is_buried(self, kind: str, mark: str) -> bool:
        """Raises CacheError."""
        server = self._server
        if server is None or (kind, mark) in self._owed:
            return server is not None
        return bool(server.call(lambda redis: redis.exists(self._grave(kind, mark))))

    def wait(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until everything is written that was remembered before."""
        return self._queue.wait(timeout_seconds)

    def _write(self, kind: str, name: str, make: Callable[[], bytes]) -> None:
        server, data, digest = self._server, make(), _digest(kind, name)
        if server is None or len(data) > _LONGEST_BYTES:
            return
        packed = pack(digest, _TYPE, data)
        try:
            self._pay(server)
            server.call(lambda redis: redis.set(self._key(kind, digest), packed, ex=self._seconds))
        except CacheError as error:
            logger.info("what is known of %s is not kept: %s", name, error.detail)

    def _drop(self, kind: str, name: str) -> None:
        server = self._server
        if server is not None:
            try:
                server.call(lambda redis: redis.delete(self._key(kind, _digest(kind, name))))
            except CacheError as error:
                logger.warning("what was known of %s could not be removed: %s", name, error.detail)

    def _pay(self, server: SharedServer) -> None:
        """Raises CacheError; what was not said is owed still."""
        for kind, mark in tuple(self._owed):
            grave = self._grave(kind, mark)
            server.call(partial(_dig, grave=grave, seconds=2 * self._seconds))
            self._owed.pop((kind, mark), None)

    def _grave(self, kind: str, mark: str) -> str:
        return f"{self._server.namespace if self._server else ''}:gone:{kind}:{_digest(kind, mark)}"

    def _key(self, kind: str, digest: str) -> str:
        return f"{self._server.namespace if self._server else ''}:known:{kind}:{digest}"


def _dig(redis: Redis, grave: str, seconds: int) -> None:
    redis.set(grave, b"1", ex=seconds)


def _digest(kind: str, name: str) -> str:
    return hashlib.sha256(f"{kind}\0{name}".encode()).hexdigest()


@lru_cache(maxsize=1)
def get_last_known() -> LastKnown:
    """One per process."""
    return LastKnown(find_shared_server(), conf.last_known_seconds)


os.register_at_fork(after_in_child=get_last_known.cache_clear)
