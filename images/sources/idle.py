"""Connections to web servers that wait for their next request."""

import os
import threading
import time
from collections import OrderedDict

from images.sources.connection import Connection
from images.sources.deadline import Deadline

_MOST = 64
_SECONDS = 15.0  # servers commonly close after 15 to 75


class IdleConnections:
    """By what they have in common, the one used last first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, Connection] = OrderedDict()

    def take(self, name: tuple[object, ...], deadline: Deadline) -> Connection | None:
        with self._lock:
            found = next((one for one in reversed(self._idle.values()) if one.name == name), None)
            if found is not None:
                del self._idle[id(found)]
        if found is None:
            return None
        if time.monotonic() - found.idle_since > _SECONDS:
            found.close()
            return None
        found.renew(deadline)
        return found

    def give(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle[id(connection)] = connection
            oldest = self._idle.popitem(last=False)[1] if len(self._idle) > _MOST else None
        if oldest is not None:
            oldest.close()

    def clear(self) -> None:
        with self._lock:
            connections = list(self._idle.values())
            self._idle.clear()
        for connection in connections:
            connection.close()

    def after_fork(self) -> None:
        """The connections are the parent's; another thread may have held the lock."""
        self._lock = threading.Lock()
        self._idle = OrderedDict()


idle = IdleConnections()
os.register_at_fork(after_in_child=idle.after_fork)
