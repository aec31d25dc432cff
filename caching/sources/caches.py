"""All that a process keeps of sources, as the settings describe it."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from caching.backends.protocol import SweepReport, Usage
from caching.conf import conf as caching_conf
from caching.counters import get_counters
from caching.eviction import Amount
from caching.locks import KeyLocks
from caching.once import Once
from caching.sources.blocks import BlockCache
from caching.sources.conf import conf
from caching.sources.crowds import Crowds
from caching.sources.failures import Failures
from caching.sources.folder import SourceFolder
from caching.sources.keys import SourceKey
from caching.sources.memories import MemoryObjects
from caching.sources.objects import SUFFIX, ObjectCache
from caching.sources.pins import Pins
from caching.sources.stats import SourceStats

T = TypeVar("T")
logger = logging.getLogger(__name__)

_COPIES = (".source", ".partial")
"""Of web servers that deliver only wholes; they lie among the objects and count like them."""


@dataclass(frozen=True, slots=True)
class SourceCaches:
    """`folders`: those of whole copies and of ranges, by name."""

    blocks: BlockCache
    objects: ObjectCache
    memory: MemoryObjects
    failures: Failures
    crowds: Crowds
    pins: Pins
    stats: SourceStats
    folders: dict[str, SourceFolder]

    def sweep(self) -> dict[str, SweepReport]:
        """Bring each folder within its budget; one that cannot be swept is logged and left out."""
        return self._of_each("swept", lambda folder: folder.sweep())

    def usage(self) -> dict[str, Usage]:
        """What each folder holds, without a scan."""
        return self._of_each("asked", lambda folder: folder.ledger.usage())

    def discard(self, place: str) -> None:
        """Forget one source, all its versions, pinned or not."""
        self.blocks.discard(place)
        self.objects.discard(place)
        self.memory.discard(place)
        self.failures.forget(place)

    def clear(self) -> None:
        """Forget every source: what is asked for next comes from its store."""
        self.blocks.clear()
        self.objects.discard()
        self.memory.clear()

    def note_use(self, name: str) -> None:
        """Of a copy that somebody else keeps among the whole ones."""
        self.folders["objects"].uses.note(name)

    def has(self, key: SourceKey) -> bool:
        """Whether the whole source is here."""
        descriptor = self.objects.find(key)
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None or self.memory.find(key) is not None

    def _of_each(self, done: str, work: Callable[[SourceFolder], T]) -> dict[str, T]:
        results = {}
        for name, folder in self.folders.items():
            try:
                folder.make()
                results[name] = work(folder)
            except OSError as error:
                logger.warning("the folder of %s could not be %s: %s", name, done, error)
        return results


@Once
def get_source_caches() -> SourceCaches:
    """Those of this process."""
    stats, root = SourceStats(get_counters()), conf.source_folder
    pins = Pins(root / "pins")
    make = partial(SourceFolder, ttl_seconds=conf.source_ttl_seconds, pinned=pins.all)
    whole = make(root, SUFFIX, Amount(conf.source_bytes, conf.source_entries), foreign=_COPIES)
    folders = {"objects": whole}
    if conf.block_disk_bytes:
        budget = Amount(conf.block_disk_bytes, conf.block_entries)
        folders["blocks"] = make(root / "blocks", ".blocks", budget)
    return SourceCaches(
        BlockCache(
            folders.get("blocks"),
            memory_bytes=conf.block_memory_bytes,
            stats=stats,
            locks=KeyLocks(root / "blocks.lock"),
            wait_seconds=caching_conf.wait_seconds,
        ),
        ObjectCache(
            whole,
            stats=stats,
            locks=KeyLocks(root / "objects.lock"),
            threads=conf.source_fills,
            wait_seconds=caching_conf.wait_seconds,
        ),
        MemoryObjects(conf.source_memory_bytes, stats=stats, wait_seconds=caching_conf.wait_seconds),
        Failures(conf.source_failure_seconds),
        Crowds(conf.source_waiting, conf.source_waiting_total, conf.source_timeouts, conf.source_rest_seconds),
        pins,
        stats,
        folders,
    )


os.register_at_fork(after_in_child=get_source_caches.cache_clear)
