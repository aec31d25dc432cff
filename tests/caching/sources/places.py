"""Keys, objects and origins in memory for the tests of the caches of sources."""

import random
import threading
from collections.abc import Sequence
from pathlib import Path

from caching.eviction import Amount
from caching.locks import KeyLocks
from caching.sources.blocks import BlockCache
from caching.sources.extents import Extent
from caching.sources.folder import SourceFolder
from caching.sources.keys import SourceKey, place_digest
from caching.sources.objects import SUFFIX, ObjectCache
from caching.sources.pins import Pins
from caching.sources.stats import SourceStats


def key_of(number: int, version: int = 1) -> SourceKey:
    return SourceKey.of(place_digest(("test", str(number))), f"etag-{version}", "store")


def body_of(number: int, byte_size: int, version: int = 1) -> bytes:
    return random.Random(number * 1000 + version).randbytes(byte_size)


class Store:
    """One object; counts what is fetched of it. `gate` holds fetches back until it is set."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.fetched: list[Extent] = []
        self.calls = 0
        self.errors: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self._lock = threading.Lock()

    @property
    def bytes_fetched(self) -> int:
        return sum(stop - start for start, stop in self.fetched)

    def fetch(self, extents: list[Extent]) -> Sequence[bytes]:
        with self._lock:
            self.calls += 1
            self.fetched += extents
            error = self.errors.pop(0) if self.errors else None
        self.entered.release()
        assert self.gate.wait(30)
        if error is not None:
            raise error
        return [self.body[start:stop] for start, stop in extents]


def block_cache(
    root: Path, *, memory_bytes: int = 1 << 20, disk_bytes: int = 1 << 26, wait_seconds: float = 20.0
) -> BlockCache:
    folder = SourceFolder(root / "blocks", ".blocks", Amount(disk_bytes, 10_000)) if disk_bytes else None
    return BlockCache(
        folder,
        memory_bytes=memory_bytes,
        stats=SourceStats(),
        locks=KeyLocks(root / "blocks.lock"),
        wait_seconds=wait_seconds,
    )


def object_folder(root: Path, byte_budget: int = 1 << 26, entries: int = 1000, ttl_seconds: float = 0) -> SourceFolder:
    pins = Pins(root / "pins")
    return SourceFolder(root, SUFFIX, Amount(byte_budget, entries), ttl_seconds=ttl_seconds, pinned=pins.all)


def object_cache(root: Path, folder: SourceFolder | None = None, **options: object) -> ObjectCache:
    return ObjectCache(
        folder or object_folder(root),
        stats=SourceStats(),
        locks=KeyLocks(root / "objects.lock"),
        **{"wait_seconds": 20.0, **options},  # type: ignore[arg-type]
    )
