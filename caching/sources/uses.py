"""When each kept file was last used: one small file for all of them, written at most once a minute for each.

Not the times of the files themselves: a change of those is how readers of a file notice that it was tampered with.
A file's time stands in a slot that its name leads to. Names that share a slot share its time: the least recently used
is then found a little less exactly, and nothing else happens.
"""

import os
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

SLOTS = 65_536
"""512 KiB. With 10,000 files one in fifteen shares its slot."""

_SLOT = struct.Struct(">d")
_PERIOD_SECONDS = 60.0
_REMEMBERED = 50_000


class UseTimes:
    """Times are seconds since the epoch. What goes wrong with the disk here costs only exactness."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}

    def note(self, name: str) -> None:
        now = time.time()
        with self._lock:
            if abs(now - self._noted.get(name, 0.0)) < _PERIOD_SECONDS:
                return
            if len(self._noted) >= _REMEMBERED:
                self._noted.clear()
            self._noted[name] = now
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, _SLOT.pack(now), _slot(name) * _SLOT.size)
            finally:
                os.close(descriptor)

    def read(self) -> "Snapshot":
        try:
            return Snapshot(self._path.read_bytes())
        except OSError:
            return Snapshot(b"")


class Snapshot:
    """The times as they stood at one moment."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def of(self, name: str) -> float:
        """0 where no use was noted."""
        offset = _slot(name) * _SLOT.size
        if offset + _SLOT.size > len(self._data):
            return 0.0
        return float(_SLOT.unpack_from(self._data, offset)[0])


def _slot(name: str) -> int:
    """The last digits of both digests that a name is made of."""
    place, _, version = name.partition("-")
    return (int(place[-4:], 16) ^ int(version[-4:] or "0", 16)) % SLOTS
