"""Ranges of sources that were read once: in the memory of the process, and on the disk of the host for all processes.

A range is kept as it was fetched, not as aligned blocks: a tile of a JPEG 2000 file needs many short stretches, and
whole blocks around each would be several times their bytes. Threads wait for what another is fetching; processes do by
locks on just those bytes. What lies on the disk is verified at each read; whatever fails there is fetched again.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from caching.errors import CacheError, CorruptEntryError
from caching.eviction import NOTHING, Amount
from caching.locks import KeyLocks
from caching.singleflight import FlightTimeoutError
from caching.sources.block_file import HEAD_BYTES, RECORD_BYTES, BlockFile, Record
from caching.sources.block_index import BlockIndex
from caching.sources.extents import Assembly, Extent, joined
from caching.sources.flights import ExtentFlight
from caching.sources.folder import SourceFolder
from caching.sources.keys import SourceKey
from caching.sources.lru import ByteLru
from caching.sources.stats import SourceCounted, SourceStats
from caching.sweep import SweepTrigger

logger = logging.getLogger(__name__)

Fetch = Callable[[list[Extent]], Sequence[bytes]]

GAP_BYTES = 32 * 1024
"""Of what was asked for and is here already, between two stretches that are not: fetched again rather than a request
more is made."""
_OPEN_OBJECTS = 256
"""Of which a process knows what is kept; each takes a descriptor."""
_BYPASS_SECONDS = 30.0


class BlockCache:
    """`folder` None keeps nothing on disk. `wait_seconds`: for what another thread or process is fetching."""

    def __init__(
        self,
        folder: SourceFolder | None,
        *,
        memory_bytes: int,
        stats: SourceStats,
        locks: KeyLocks | None = None,
        wait_seconds: float = 30.0,
    ) -> None:
        self._folder = folder
        self._memory: ByteLru[tuple[str, Extent]] = ByteLru(memory_bytes)
        self._stats = stats
        self._locks = locks
        self._wait_seconds = wait_seconds
        self._objects: OrderedDict[str, BlockIndex] = OrderedDict()
        self._lock = threading.Lock()
        self._rest_until = 0.0
        self._trigger = SweepTrigger(self._sweep, pause_seconds=0.5)

    def find_byte_size(self, key: SourceKey) -> int | None:
        """The size of the source, if ranges of it are kept on disk."""
        file = self._object(key).file
        return file.byte_size if file is not None else None

    def read(
        self,
        key: SourceKey,
        byte_size: int,
        extents: Sequence[Extent],
        fetch: Fetch,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> list[bytes]:
        """The bytes of each extent, in the order asked for; of what is not kept, `fetch` brings all in one call.

        `byte_size`: of the source. `waiting` is held while something has to come. Raises what that or `fetch`
        raises, or what `fetch` raised for another thread.
        """
        known, assembly = self._object(key), Assembly(extents)
        self._collect(known, assembly)
        if wanted := assembly.wanted():
            self._stats.count(key.store, SourceCounted.BLOCK_MISSES)
            with waiting():
                self._bring(known, byte_size, wanted, assembly, fetch)
        else:
            self._stats.count(key.store, SourceCounted.BLOCK_HITS)
            self._stats.count(key.store, SourceCounted.BLOCK_HIT_BYTES, sum(stop - start for start, stop in extents))
        return [assembly.get(start, stop) for start, stop in extents]

    def discard(self, place: str) -> Amount:
        """Forget all versions of one source, here and on disk; what this freed there."""
        with self._lock:
            for name in [name for name in self._objects if name.startswith(place)]:
                del self._objects[name]
        self._memory.discard(lambda kept: kept[0].startswith(place))
        return self._folder.clear(place) if self._folder is not None else NOTHING

    def clear(self) -> Amount:
        with self._lock:
            self._objects.clear()
        self._memory.clear()
        return self._folder.clear() if self._folder is not None else NOTHING

    def wait_for_sweep(self, timeout_seconds: float = 30.0) -> None:
        self._trigger.join(timeout_seconds)

    def _object(self, key: SourceKey) -> BlockIndex:
        with self._lock:
            known = self._objects.get(key.name)
            if known is None:
                known = self._objects[key.name] = BlockIndex(key)
            self._objects.move_to_end(key.name)
            if len(self._objects) > _OPEN_OBJECTS:
                self._objects.popitem(last=False)
        self._refresh(known)
        return known

    def _refresh(self, known: BlockIndex) -> None:
        """See what other processes have added."""
        if self._folder is None:
            return
        file = known.file  # once: another thread may let go of it, or put another in its place
        try:
            if file is not None and not file.is_linked:
                known.let_go(file)
                file = None
            if file is None:
                found = BlockFile.find(self._folder.path_of(known.key.name), known.key)
                file = None if found is None else known.adopt(found)
            if file is not None:
                known.add_records(file, file.new_records())
                self._folder.uses.note(known.key.name)
        except CorruptEntryError:
            self._stats.count(known.key.store, SourceCounted.CORRUPT)
            known.let_go(file)
            with suppress(OSError):
                Path(self._folder.path_of(known.key.name)).unlink(missing_ok=True)
        except OSError as error:
            self._rest(error)

    def _collect(self, known: BlockIndex, assembly: Assembly) -> None:
        """Put in what is kept; what turns out not to be any more is forgotten."""
        for extent, record in known.kept(assembly.wanted()):
            data = self._memory.find((known.key.name, extent))
            if data is None and record is not None:
                data = self._read(known, record)
            if data is None:
                known.drop(extent)
                continue
            self._memory.put((known.key.name, extent), data)
            assembly.add(extent[0], data)

    def _read(self, known: BlockIndex, record: Record) -> bytes | None:
        file = known.file  # once: another thread may let go of it
        try:
            return file.read(record) if file is not None else None
        except CorruptEntryError:
            self._stats.count(known.key.store, SourceCounted.CORRUPT)
        except OSError as error:
            self._rest(error)
        return None

    def _bring(self, known: BlockIndex, byte_size: int, wanted: list[Extent], assembly: Assembly, fetch: Fetch) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while wanted:
            mine, others = known.flights.claim(wanted, lambda extents: bool(known.kept(extents)))
            if mine is not None:
                self._fly(known, byte_size, mine, fetch, assembly, deadline)
            if others and not self._await(known.key, others, assembly, deadline):
                self._fetch_alone(assembly, fetch, known.key)
                return
            self._collect(known, assembly)
            wanted = assembly.wanted()

    def _await(self, key: SourceKey, others: list[ExtentFlight], assembly: Assembly, deadline: float) -> bool:
        """Wait for other threads; False when there is no more time. Raises what failed them."""
        self._stats.count(key.store, SourceCounted.WAITS)
        try:
            for flight in others:
                flight.wait(deadline - time.monotonic())
                if flight.error is not None:
                    raise flight.error
                flight.give(assembly)
        except FlightTimeoutError:
            self._stats.count(key.store, SourceCounted.WAIT_TIMEOUTS)
            return False
        return True

    def _fetch_alone(self, assembly: Assembly, fetch: Fetch, key: SourceKey) -> None:
        for (start, _stop), data in self._fetched(assembly.wanted(), assembly.needed, fetch, key):
            assembly.add(start, data)

    def _fly(
        self,
        known: BlockIndex,
        byte_size: int,
        flight: ExtentFlight,
        fetch: Fetch,
        assembly: Assembly,
        deadline: float,
    ) -> None:
        failure: Exception | None = None
        try:
            with self._held(known.key, flight.extents, deadline):
                brought = Assembly(flight.extents)
                self._refresh(known)
                self._collect(known, brought)
                if wanted := brought.wanted():
                    pieces = self._fetched(wanted, assembly.needed, fetch, known.key)
                    for (start, _stop), data in pieces:
                        brought.add(start, data)
                    self._keep(known, byte_size, pieces)
            flight.bodies = [brought.get(start, stop) for start, stop in flight.extents]
            flight.give(assembly)
        except Exception as error:
            failure = error
            raise
        finally:
            known.flights.land(flight, failure)

    def _held(self, key: SourceKey, extents: list[Extent], deadline: float) -> AbstractContextManager[object]:
        """Other processes wait meanwhile; where they can't be told, or do not end in time, both fetch."""
        if self._locks is None or not self._writes:
            return nullcontext()
        return self._locks.ranges(key.digest, extents, (deadline - time.monotonic()) / 2)

    def _fetched(
        self, wanted: list[Extent], asked: list[Extent], fetch: Fetch, key: SourceKey
    ) -> list[tuple[Extent, bytes]]:
        plan = joined(wanted, GAP_BYTES, asked)
        self._stats.count(key.store, SourceCounted.ORIGIN_REQUESTS, len(plan))
        try:
            bodies = fetch(plan)
        except Exception:
            self._stats.count(key.store, SourceCounted.ORIGIN_ERRORS)
            raise
        self._stats.count(key.store, SourceCounted.ORIGIN_BYTES, sum(len(body) for body in bodies))
        for (start, stop), body in zip(plan, bodies, strict=True):
            if len(body) != stop - start:
                raise ValueError(f"{len(body)} bytes were fetched for the extent {start} to {stop}")
        return list(zip(plan, bodies, strict=True))

    @property
    def _writes(self) -> bool:
        return self._folder is not None and time.monotonic() >= self._rest_until

    def _keep(self, known: BlockIndex, byte_size: int, pieces: list[tuple[Extent, bytes]]) -> None:
        """In memory, and on disk where there is room; only then does anybody else find it."""
        in_memory = [extent for extent, body in pieces if self._memory.put((known.key.name, extent), body)]
        if self._folder is not None and self._writes:
            try:
                self._append(self._folder, known, byte_size, pieces)
            except CacheError:
                self._stats.count(known.key.store, SourceCounted.BYPASSED)
                self._trigger.request()
            except OSError as error:
                self._stats.count(known.key.store, SourceCounted.BYPASSED)
                self._rest(error)
        known.add(in_memory)

    def _append(
        self, folder: SourceFolder, known: BlockIndex, byte_size: int, pieces: list[tuple[Extent, bytes]]
    ) -> None:
        length = sum(RECORD_BYTES + len(body) for _extent, body in pieces)
        file, name = known.file, known.key.name
        if file is None or not file.is_linked:
            folder.make()
            folder.make(name)
            with folder.ledger.booked(lambda: Amount(HEAD_BYTES, 1)):
                path, temporary = folder.path_of(name), folder.temporary_path_of(name)
                file = BlockFile.create(path, temporary, known.key, byte_size)
            known.let_go(known.file)
            file = known.adopt(file)
        with folder.ledger.booked(lambda: Amount(length, 0)) as usage:
            records = file.append([(start, body) for (start, _stop), body in pieces])
        if usage.wants_sweep:
            self._trigger.request()
        known.add_records(file, records)

    def _rest(self, error: OSError) -> None:
        """The disk refuses: nothing is written for a while, everything is served as before."""
        if self._writes:
            logger.warning("ranges of sources are not kept on disk for a while: %s", error)
        self._rest_until = time.monotonic() + _BYPASS_SECONDS
        self._trigger.request()

    def _sweep(self) -> None:
        if self._folder is None:
            return
        try:
            self._folder.sweep()
        except OSError as error:
            logger.warning("kept ranges of sources could not be swept: %s", error)
