"""How much a folder holds, known to all processes without a scan.

One small file, rewritten in place under flock: a reader sees the state before or after a change.
Writers book before an entry becomes visible, so a process that dies in between leaves too much on
the books and never too little; each sweep counts anew. A lost or damaged ledger starts at zero and
says that it was not measured.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from caching.backends.protocol import Usage
from caching.errors import CacheFullError
from caching.eviction import NOTHING, Amount

_LAYOUT = struct.Struct(">4s?QQQQ")
_CHECK = struct.Struct(">I")
_MAGIC = b"ldg1"


@dataclass(frozen=True, slots=True)
class Mark:
    """All that was ever booked in, as a point in time for `reset`."""

    booked: Amount


@dataclass(slots=True)
class _State:
    measured: bool
    held: Amount
    booked: Amount

    def pack(self) -> bytes:
        data = _LAYOUT.pack(
            _MAGIC,
            self.measured,
            max(0, self.held.bytes),
            max(0, self.held.entries),
            self.booked.bytes,
            self.booked.entries,
        )
        return data + _CHECK.pack(zlib.crc32(data))


def _parse(data: bytes) -> _State:
    if len(data) == _LAYOUT.size + _CHECK.size:
        magic, measured, held, entries, booked, booked_entries = _LAYOUT.unpack_from(data)
        if magic == _MAGIC and _CHECK.unpack_from(data, _LAYOUT.size)[0] == zlib.crc32(data[:-4]):
            return _State(measured, Amount(held, entries), Amount(booked, booked_entries))
    return _State(measured=False, held=NOTHING, booked=NOTHING)


class Ledger:
    """Each call opens the file anew, so that neither threads nor forked processes share a lock.

    Methods raise OSError.
    """

    def __init__(self, path: Path, budget: Amount) -> None:
        self._path = path
        self._budget = budget

    def usage(self) -> Usage:
        with self._opened() as (_, state):
            return self._usage(state)

    @contextmanager
    def booked(self, cost: Callable[[], Amount]) -> Iterator[Usage]:
        """Take up an entry, which has to become visible within the context.

        The ledger is locked meanwhile: what a scan sees and what was booked before it began are
        the same. Raises CacheFullError if the budget has no room; changes nothing on any error.
        """
        with self._opened() as (descriptor, state):
            before, amount = state.pack(), cost()
            if not (state.held + amount).fits(self._budget):
                raise CacheFullError(f"{state.held.bytes} bytes in {state.held.entries} files leave no room")
            state.held += amount
            state.booked += Amount(max(0, amount.bytes), max(0, amount.entries))
            os.pwrite(descriptor, state.pack(), 0)
            try:
                yield self._usage(state)
            except BaseException:
                os.pwrite(descriptor, before, 0)
                raise

    def release(self, freed: Amount) -> None:
        with self._opened() as (descriptor, state):
            state.held -= freed
            os.pwrite(descriptor, state.pack(), 0)

    def mark(self) -> Mark:
        with self._opened() as (_, state):
            return Mark(state.booked)

    def reset(self, counted: Amount, since: Mark) -> Usage:
        """Take over what a scan counted, plus what was booked in since it began."""
        with self._opened() as (descriptor, state):
            state.held = counted + (state.booked - since.booked)
            state.measured = True
            os.pwrite(descriptor, state.pack(), 0)
            return self._usage(state)

    def _usage(self, state: _State) -> Usage:
        return Usage(state.held, self._budget, measured=state.measured)

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, _State]]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor, _parse(os.pread(descriptor, 256, 0))
        finally:
            os.close(descriptor)
