"""Whole sources on local disk: complete or absent, named by the key, their length and a CRC-32 of their bytes."""

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from caching.errors import CacheError, CacheFullError
from caching.eviction import NOTHING, Amount, allocated
from caching.locks import KeyLocks
from caching.sources.filling import Fill, Origin
from caching.sources.folder import SourceFolder
from caching.sources.keys import SourceKey
from caching.sources.partial import MARK_BYTES, Partial
from caching.sources.stats import SourceCounted, SourceStats

logger = logging.getLogger(__name__)

SUFFIX = ".object"
_QUEUE = 64
"""Fills that may wait for a thread of the process; more are left to the next request."""
_BYPASS_SECONDS = 30.0


class FillTimeoutError(Exception):
    """A whole source is still on its way after as long as a request may wait."""


@dataclass(frozen=True, slots=True)
class FillProgress:
    """A fill under way in this process. Bytes."""

    store: str
    name: str
    position: int
    byte_size: int


class ObjectCache:
    """`threads`: fills in the background at a time. `wait_seconds`: for a fill of another thread or process."""

    def __init__(
        self,
        folder: SourceFolder,
        *,
        stats: SourceStats,
        locks: KeyLocks | None = None,
        threads: int = 4,
        wait_seconds: float = 30.0,
    ) -> None:
        self._folder = folder
        self._stats = stats
        self._locks = locks
        self._threads = threads
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._fills: dict[str, Fill] = {}
        self._queue: deque[tuple[Fill, Origin]] = deque()
        self._running = 0
        self._rest_until = 0.0

    def find(self, key: SourceKey) -> int | None:
        """A descriptor of the whole source, for the caller to close; it stays readable whatever is evicted."""
        try:
            return self._find(key)
        except OSError as error:
            self._rest(error)
            return None

    def _find(self, key: SourceKey) -> int | None:
        prefix = f"{key.name}{SUFFIX}-"
        with suppress(FileNotFoundError), os.scandir(Path(self._folder.path_of(key.name)).parent) as found:
            for entry in found:
                if entry.name.startswith(prefix) and not entry.name.endswith(".new"):
                    return self._open(entry.path, entry.name, key)
        return None

    def _open(self, path: str, file_name: str, key: SourceKey) -> int | None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        if f"{os.fstat(descriptor).st_size:x}" != file_name.split("-")[-2]:
            os.close(descriptor)
            self._stats.count(key.store, SourceCounted.CORRUPT)
            Path(path).unlink(missing_ok=True)
            return None
        self._folder.uses.note(key.name)
        self._stats.count(key.store, SourceCounted.OBJECT_HITS)
        return descriptor

    def start(
        self,
        key: SourceKey,
        byte_size: int,
        origin: Origin,
    ) -> bool:
        """Fill in the background, once however often this is called; False where there are too many fills already."""
        with self._lock:
            if key.name in self._fills:
                return True
            if len(self._queue) >= _QUEUE or not self._can_write:
                return False
            fill = self._fills[key.name] = Fill(key, byte_size)
            self._queue.append((fill, origin))
            if self._running < self._threads:
                self._running += 1
                threading.Thread(target=self._work, name="fill-source", daemon=True).start()
        return True

    def get(
        self,
        key: SourceKey,
        byte_size: int,
        origin: Origin,
    ) -> int | None:
        """A descriptor as of `find`, after a fill if need be; None where the source cannot be kept.

        Raises what `origin.fetch` raises, and FillTimeoutError.
        """
        found = self.find(key)
        if found is not None or not self._can_write:
            return found
        with self._lock:
            fill = self._fills.get(key.name)
            leads = fill is None
            if fill is None:
                fill = self._fills[key.name] = Fill(key, byte_size)
        if leads:
            self._fill(fill, origin)
        else:
            self._stats.count(key.store, SourceCounted.WAITS)
            if not fill.over.wait(self._wait_seconds):
                self._stats.count(key.store, SourceCounted.WAIT_TIMEOUTS)
                raise FillTimeoutError
        if fill.error is not None:
            raise fill.error
        return self.find(key)

    def is_filling(self, key: SourceKey) -> bool:
        with self._lock:
            return key.name in self._fills

    def progress(self) -> list[FillProgress]:
        """Of the fills in this process, those that wait for a thread among them."""
        with self._lock:
            fills = list(self._fills.values())
        return [FillProgress(fill.key.store, fill.key.name, fill.position, fill.byte_size) for fill in fills]

    def wait(self, timeout_seconds: float = 30.0) -> None:
        """For the fills that this process knows of."""
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            fills = list(self._fills.values())
        for fill in fills:
            fill.over.wait(max(0.0, deadline - time.monotonic()))

    def discard(self, place: str | None = None) -> Amount:
        """Remove the copies of one source, or all; what this freed."""
        try:
            return self._folder.clear(place)
        except OSError as error:
            logger.warning("copies of sources could not be removed: %s", error)
            return NOTHING

    @property
    def _can_write(self) -> bool:
        return time.monotonic() >= self._rest_until

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running -= 1
                    return
                fill, origin = self._queue.popleft()
            self._fill(fill, origin)

    def _fill(self, fill: Fill, origin: Origin) -> None:
        """Whatever goes wrong is in `fill.error`, or left out where only the keeping failed."""
        key = fill.key
        is_locked = False
        try:
            is_locked = self._locks is not None and self._locks.acquire(key.digest, self._wait_seconds)
            self._fill_locked(fill, origin, is_locked=is_locked)
        except CacheError as error:
            self._stats.count(key.store, SourceCounted.BYPASSED)
            logger.info("a source is not kept: %s", error.detail)
        except OSError as error:
            self._stats.count(key.store, SourceCounted.BYPASSED)
            self._rest(error)
            with suppress(OSError):
                self._folder.sweep()
        except Exception as error:  # noqa: BLE001 - raised again to everybody who waits
            self._stats.count(key.store, SourceCounted.FILL_ERRORS)
            fill.error = error
        finally:
            origin.close()
            if is_locked and self._locks is not None:
                self._locks.release(key.digest)
            with self._lock:
                self._fills.pop(key.name, None)
            fill.over.set()

    def _fill_locked(self, fill: Fill, origin: Origin, *, is_locked: bool) -> None:
        found = self._find(fill.key)
        if found is not None:  # another process has brought it
            os.close(found)
            return
        if self._locks is not None and not is_locked:
            raise FillTimeoutError
        self._write(fill, origin)

    def _write(self, fill: Fill, origin: Origin) -> None:
        key = fill.key
        self._folder.make()
        self._folder.make(key.name)
        partial = self._reserve(fill)
        try:
            if partial.position:
                self._stats.count(key.store, SourceCounted.RESUMES)
            if origin.fill(fill, partial, self._stats):
                partial.commit(f"{self._folder.path_of(key.name)}-{fill.byte_size:x}-{partial.crc:08x}")
                self._folder.uses.note(key.name)
                self._stats.count(key.store, SourceCounted.FILLS)
            else:
                self._give_up(partial, fill)
                self._stats.count(key.store, SourceCounted.FILL_ERRORS)
        except OSError:  # the disk is full, perhaps: then this must not be what fills it
            self._give_up(partial, fill)
            raise
        finally:
            partial.close()

    def _give_up(self, partial: Partial, fill: Fill) -> None:
        partial.discard()
        self._folder.ledger.release(Amount(allocated(fill.byte_size + MARK_BYTES), 1))

    def _reserve(self, fill: Fill) -> Partial:
        """The file in its full length, booked; room is made for it. Raises CacheFullError."""
        path = self._folder.unfinished_path_of(fill.key.name)
        cost = Amount(allocated(fill.byte_size + MARK_BYTES), 1)
        if not cost.fits(self._folder.budget):
            raise CacheFullError("the source is larger than all copies may be")
        for _attempt in range(2):
            with suppress(CacheFullError), self._folder.ledger.booked(lambda: cost - _held(path)):
                return Partial(path, fill.byte_size)
            self._folder.sweep(self._folder.budget - cost)
        raise CacheFullError("there is no room for the source")

    def _rest(self, error: OSError) -> None:
        """The disk refuses: nothing is kept for a while, sources are served as their stores give them."""
        if self._can_write:
            logger.warning("copies of sources are not kept for a while: %s", error)
        self._rest_until = time.monotonic() + _BYPASS_SECONDS


def _held(path: str) -> Amount:
    """What a partial file takes already."""
    try:
        return Amount(allocated(Path(path).stat().st_size), 1)
    except FileNotFoundError:
        return NOTHING
