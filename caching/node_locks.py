"""Locks by key between nodes, in Redis, behind those between the processes of a host.

A lock has a token, so that nobody releases another's, and an end, so that it does not outlive who holds it; it is
renewed while he works. Like the locks of a host it spares work and guards nothing: without Redis, or when it is not to
be had in time, the work is done all the same.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable

from redis.commands.core import Script

from caching.background import Job
from caching.errors import CacheError
from caching.locks import KeyLocks
from caching.shared import SharedServer

logger = logging.getLogger(__name__)

_LIFE_SECONDS = 5.0
_RENEW_SECONDS = 1.5
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.05
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class SharedLocks:
    """The locks of this process in Redis. Thread-safe; for one digest, threads exclude each other before."""

    def __init__(self, server: SharedServer) -> None:
        self._server = server
        self._changed = threading.Condition()
        self._tokens: dict[str, str] = {}
        self._thread: threading.Thread | None = None

    def acquire(self, digest: str, timeout_seconds: float) -> bool:
        """False if it was not to be had in time, or Redis cannot be asked."""
        deadline = time.monotonic() + timeout_seconds
        token, pause = secrets.token_hex(16), _FIRST_PAUSE_SECONDS
        while True:
            try:
                if self._set(digest, token):
                    self._hold(digest, token)
                    return True
            except CacheError as error:
                logger.debug("no lock between nodes: %s", error.detail)
                return False
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def holds(self, digest: str) -> bool:
        with self._changed:
            return digest in self._tokens

    def release(self, digest: str) -> None:
        with self._changed:
            token = self._tokens.pop(digest, None)
        if token is not None:
            self._compare(_RELEASE, digest, token)

    def _set(self, digest: str, token: str) -> bool:
        life = int(_LIFE_SECONDS * 1000)
        return bool(self._server.call(lambda redis: redis.set(self._key(digest), token, nx=True, px=life)))

    def _hold(self, digest: str, token: str) -> None:
        with self._changed:
            self._tokens[digest] = token
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="lock-renewal", daemon=True)
                self._thread.start()

    def _renew(self) -> None:
        """As long as there is something to renew."""
        while True:
            with self._changed:
                if not self._tokens:
                    self._thread = None
                    return
            time.sleep(_RENEW_SECONDS)
            with self._changed:
                held = list(self._tokens.items())
            for digest, token in held:
                self._compare(_RENEW, digest, token, int(_LIFE_SECONDS * 1000))

    def _compare(self, text: str, digest: str, *arguments: str | int) -> None:
        try:
            self._server.call(
                lambda redis: Script(redis, text)(keys=[self._key(digest)], args=list(arguments), client=redis)
            )
        except CacheError as error:
            logger.debug("a lock between nodes ends by itself: %s", error.detail)

    def _key(self, digest: str) -> str:
        return f"{self._server.namespace}:lock:{digest}"


class NodeLocks:
    """First between the processes of the host, then between nodes: of each host one process asks Redis.

    `later` does the release in Redis: other nodes are to find what was made as soon as they have the lock.
    """

    def __init__(self, host: KeyLocks | None, shared: SharedLocks, later: Callable[[Job], None]) -> None:
        self._host = host
        self._shared = shared
        self._later = later

    def acquire(self, digest: str, timeout_seconds: float) -> bool:
        """True where at least one of them is held, so that it has to be released."""
        deadline = time.monotonic() + timeout_seconds
        is_held = self._host is not None and self._host.acquire(digest, timeout_seconds)
        if self._host is not None and not is_held:
            return False
        return self._shared.acquire(digest, deadline - time.monotonic()) or is_held

    def release(self, digest: str) -> None:
        if self._host is not None:
            self._host.release(digest)
        if self._shared.holds(digest):
            self._later(lambda: self._shared.release(digest))
