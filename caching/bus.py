"""News between processes and nodes: what was changed or purged, so that nobody goes on with what he remembers.

Without Redis they stay within the process, and others learn of a change when what they remember is too old. With it
they go to every process by publish/subscribe, which promises nothing: so whoever lost the connection for a while takes
it that he missed something, and so does everybody when a sender could not send.

Those who are concerned connect to `news_received` (with `topic` and `names`) and `news_missed`.
"""

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from functools import lru_cache

from django.dispatch import Signal
from redis.client import PubSub
from redis.exceptions import RedisError

from caching.errors import CacheError
from caching.shared import SharedServer, find_shared_server

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_SILENCE_SECONDS = 1.0
"""After which the server is asked whether it is there; after as long again it is not."""
_MISSED = "missed"

news_received = Signal()
news_missed = Signal()


class Bus:
    """The ear and the mouth of one process. Thread-safe."""

    def __init__(self, server: SharedServer | None) -> None:
        self._server = server
        self._channel = "" if server is None else f"{server.namespace}:news"
        self._sender = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._connected = threading.Event()
        self._owes = False

    @property
    def is_connected(self) -> bool:
        """Whether what others publish comes here at once."""
        return self._connected.is_set()

    @property
    def is_listening(self) -> bool:
        return self._thread is not None

    def wait_until_connected(self, timeout_seconds: float) -> bool:
        return self._connected.wait(timeout_seconds)

    def listen(self) -> None:
        """Hear from now on what others publish; costs nothing when that is so already, or there is no server."""
        if self._server is None or self.is_listening:
            return
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="news", daemon=True)
                self._thread.start()

    def publish(self, topic: str, *names: str) -> None:
        """Tell all, this process before it returns. Raises nothing; takes a fraction of a second at most."""
        news_received.send_robust(Bus, topic=topic, names=names)
        if self._server is None:
            return
        message = json.dumps([self._sender, topic, *names])
        try:
            self._server.call(lambda redis: redis.publish(self._channel, message))
        except CacheError as error:
            logger.warning("news could not be sent, others hear of it later: %s", error.detail)
            self._owes = True
            self.listen()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(3 * _SILENCE_SECONDS)

    def _run(self) -> None:
        server = self._server
        pause = _FIRST_PAUSE_SECONDS
        while server is not None and not self._closed.is_set():
            try:
                with server.listener() as listener:
                    listener.subscribe(self._channel)
                    self._hear(server, listener)
            except (RedisError, OSError) as error:
                if self._connected.is_set():
                    logger.warning("the connection for news is lost: %s", error)
                    pause = _FIRST_PAUSE_SECONDS
            self._connected.clear()
            self._closed.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _hear(self, server: SharedServer, listener: PubSub) -> None:
        """Until the bus is closed. Raises RedisError or OSError."""
        heard, has_asked = time.monotonic(), False
        while not self._closed.is_set():
            message = listener.get_message(timeout=_SILENCE_SECONDS / 2)
            if message is not None:
                heard, has_asked = time.monotonic(), False
                self._take(server, message)
            elif time.monotonic() - heard > 2 * _SILENCE_SECONDS:
                raise TimeoutError("no answer")
            elif time.monotonic() - heard > _SILENCE_SECONDS and not has_asked:
                listener.ping()
                has_asked = True

    def _take(self, server: SharedServer, message: dict[str, object]) -> None:
        if message["type"] == "subscribe":
            self._connected.set()
            news_missed.send_robust(Bus)
            self._settle(server)
        elif message["type"] == "message" and isinstance(message["data"], bytes):
            self._read(message["data"])

    def _settle(self, server: SharedServer) -> None:
        """Tell the others that there was something which could not be sent."""
        if self._owes:
            message = json.dumps([self._sender, _MISSED])
            try:
                server.call(lambda redis: redis.publish(self._channel, message))
            except CacheError as error:
                raise TimeoutError(error.detail) from error
            self._owes = False

    def _read(self, data: bytes) -> None:
        try:
            sender, topic, *names = _texts(json.loads(data))
        except ValueError:
            logger.warning("unreadable news: %.100r", data)
            return
        if sender == self._sender:
            return
        if topic == _MISSED:
            news_missed.send_robust(Bus)
        else:
            news_received.send_robust(Bus, topic=topic, names=tuple(names))


def _texts(value: object) -> Sequence[str]:
    """Raises ValueError for anything but a list of texts."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("not a list of texts")
    return value


@lru_cache(maxsize=1)
def get_bus() -> Bus:
    """One per process; it listens once `listen` was called."""
    return Bus(find_shared_server())


def close_bus() -> None:
    if get_bus.cache_info().currsize:
        get_bus().close()
    get_bus.cache_clear()


os.register_at_fork(after_in_child=get_bus.cache_clear)
