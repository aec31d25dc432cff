"""Locks by key between the processes of one host.

One file carries them all: a key locks the one byte at an offset taken from its digest. Such locks
need no files of their own, end with their process, and two keys practically never share one.
They spare work and guard nothing: whoever cannot get a lock in time goes on without it.
"""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.02


class Locks(Protocol):
    """Exclusive locks by digest: who cannot get one in time goes on without it."""

    def acquire(self, digest: str, timeout_seconds: float) -> bool: ...

    def release(self, digest: str) -> None: ...


class KeyLocks:
    """Exclusive locks between processes; threads of one process must exclude each other before.

    The file stays open: closing any descriptor of it would end every lock of this process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._opening = threading.Lock()

    def acquire(self, digest: str, timeout_seconds: float) -> bool:
        """Wait for the lock of the key; False if it was not to be had in time, or at all."""
        return self._lock(_offset(digest), 1, time.monotonic() + timeout_seconds)

    def release(self, digest: str) -> None:
        self._unlock(_offset(digest), 1)

    @contextmanager
    def ranges(self, digest: str, extents: Iterable[tuple[int, int]], timeout_seconds: float) -> Iterator[bool]:
        """Hold the locks of some extents (start, stop) of one object; False if not all were to be had in time.

        Who wants other bytes of it need not wait. They are taken in order, so that no two wait for each other.
        """
        base, deadline = _offset(digest), time.monotonic() + timeout_seconds
        held: list[tuple[int, int]] = []
        try:
            for start, stop in sorted(extents):
                if not self._lock(base + start, stop - start, deadline):
                    break
                held.append((start, stop))
            else:
                yield True
                return
            self._unlock_all(base, held)
            yield False
        finally:
            self._unlock_all(base, held)

    def _unlock_all(self, base: int, held: list[tuple[int, int]]) -> None:
        while held:
            start, stop = held.pop()
            self._unlock(base + start, stop - start)

    def _lock(self, offset: int, length: int, deadline: float) -> bool:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                fcntl.lockf(self._fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, length, offset)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    return False
            else:
                return True
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _unlock(self, offset: int, length: int) -> None:
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, length, offset)

    def _fileno(self) -> int:
        with self._opening:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
            return self._descriptor


def _offset(digest: str) -> int:
    """62 bits of the digest: file offsets are signed 64-bit integers."""
    return int(digest[:16], 16) >> 2
