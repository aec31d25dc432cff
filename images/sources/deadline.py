"""A point in time that a whole piece of work must end by, and waiting for a turn until then."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from images.sources.errors import SourceUnreachableError

_POLL_SECONDS = 0.01


class Deadline:
    """Counts down from `seconds` by the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, more than 0. Raises SourceUnreachableError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise SourceUnreachableError(f"The web server did not deliver within {self._seconds:g} seconds.")
        return left


@contextlib.contextmanager
def turn(locks: Sequence[Path], deadline: Deadline) -> Iterator[None]:
    """Hold one of the lock files, whichever comes free first; among threads as among processes.

    A process that dies gives its turn back. Raises SourceUnreachableError when the deadline has passed.
    """
    with contextlib.ExitStack() as stack:
        fds = []
        for path in locks:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            stack.callback(os.close, fd)
            stack.callback(fcntl.flock, fd, fcntl.LOCK_UN)  # for closing is not enough while a forked child has it
            fds.append(fd)
        while not any(_try_lock(fd) for fd in fds):
            time.sleep(min(_POLL_SECONDS, deadline.remaining()))
        yield


class Turns(Protocol):
    """Who may ask a host now."""

    def turn(self, host: str, deadline: Deadline) -> contextlib.AbstractContextManager[None]: ...


class ConnectionTurns:
    """At most `connections` requests at a time by this process, and at most so many bytes a second."""

    def __init__(self, connections: int, bytes_per_second: int | None = None) -> None:
        self.connections = connections
        self._turns = threading.BoundedSemaphore(connections)
        self._bytes_per_second = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    @contextlib.contextmanager
    def turn(self, _host: str, deadline: Deadline) -> Iterator[None]:
        if not self._turns.acquire(timeout=deadline.remaining()):
            deadline.remaining()
        try:
            yield
        finally:
            self._turns.release()

    def pause(self, length: int) -> None:
        """Wait until `length` more bytes may be asked for."""
        if self._bytes_per_second:
            with self._lock:
                starts = max(time.monotonic(), self._free_at)
                self._free_at = starts + length / self._bytes_per_second
            time.sleep(max(0.0, starts - time.monotonic()))


@dataclass(frozen=True, slots=True)
class HostTurns:
    """At most `per_host` requests at a time to one host, by lock files in `folder`."""

    folder: Path
    per_host: int

    def turn(self, host: str, deadline: Deadline) -> contextlib.AbstractContextManager[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = sha256(host.encode()).hexdigest()
        locks = [self.folder / f"{name}-{number}.lock" for number in range(self.per_host)]
        return turn(locks, deadline)


def _try_lock(fd: int) -> bool:
    # A lock of flock(2) belongs to the open file description, so that two threads exclude each other as well.
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
