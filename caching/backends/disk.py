"""Derivatives as files in one folder of one file system.

An entry is whole or absent: it is written under a temporary name and renamed when it is complete.
That holds against the death of a process. Against the loss of power there is the checksum: what
comes back cut or zero-filled is a miss. So nothing is fsynced unless `fsync` asks for it; a flush
would cost every miss milliseconds to save, once in a year, the decoding of a few tiles again.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from caching.backends.disk_writer import DiskEntryWriter
from caching.backends.entry_file import open_entry
from caching.backends.layout import READ_FLAGS, Layout, is_beyond_reading
from caching.backends.ledger import Ledger
from caching.backends.oserrors import translated
from caching.backends.protocol import Entry, SweepReport, Usage
from caching.errors import CacheFullError, CorruptEntryError
from caching.eviction import (
    FOLDER,
    NOTHING,
    Amount,
    EntryInfo,
    allocated,
    plan_eviction,
    usage_of,
)
from caching.keys import DerivativeKey

_FREE_SHARE = 0.02
"""The part of the file system that a sweep leaves free, budget or not: others live there too."""


class DiskBackend:
    """The backend; all times are in seconds.

    `grace` protects an entry from eviction after its last use, `touch` is how often a hit may renew
    that time (the file's mtime), `temporary_age` when an unfinished file counts as left behind.
    `low_water` and `image_share` are fractions of the budget, see caching.eviction.
    """

    def __init__(
        self,
        root: str | Path,
        byte_budget: int = 10 * 2**30,
        entry_budget: int = 200_000,
        *,
        fsync: bool = False,
        grace: float = 60.0,
        touch: float = 300.0,
        temporary_age: float = 600.0,
        low_water: float = 0.9,
        image_share: float = 0.05,
    ) -> None:
        self._layout = Layout(Path(root))
        self._budget = Amount(byte_budget, entry_budget)
        self._ledger = Ledger(self._layout.ledger, self._budget)
        self._fsync = fsync
        self._grace = grace
        self._touch = touch
        self._temporary_age = temporary_age
        self._low_water = low_water
        self._image_share = image_share

    def find(self, key: DerivativeKey) -> Entry | None:
        path = self._layout.path_of(key)
        with translated("reading an entry"):
            try:
                descriptor = os.open(path, READ_FLAGS)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if not is_beyond_reading(error):
                    raise
                self._remove_damaged(path)
                raise CorruptEntryError(f"the entry cannot be opened: {error.strerror}") from error
            return self._checked(descriptor, path, key)

    def open_writer(self, key: DerivativeKey, content_type: str) -> DiskEntryWriter:
        with translated("writing an entry"):
            try:
                return self._new_writer(key, content_type)
            except FileNotFoundError:  # the first writer ever, or somebody has emptied the folder
                self._layout.make()
                return self._new_writer(key, content_type)

    def discard(self, image: str | None = None, before_version: int | None = None, *, dry_run: bool = False) -> Amount:
        freed = NOTHING
        with translated("purging"):
            for name in self._layout.images() if image is None else (image,):
                for entry in list(self._layout.listing(name)):
                    if before_version is None or entry.version < before_version:
                        freed += entry.cost if dry_run else self._layout.remove(entry)
            if freed != NOTHING and not dry_run:
                self._ledger.release(freed)
        return freed

    def sweep(self) -> SweepReport:
        with translated("sweeping"):
            self._layout.make()
            with _held(self._layout.sweep_lock) as is_held:
                return self._sweep() if is_held else SweepReport(ran=False)

    def usage(self) -> Usage:
        with translated("asking for the usage"):
            try:
                return self._ledger.usage()
            except FileNotFoundError:
                return Usage(NOTHING, self._budget)

    def _sweep(self) -> SweepReport:
        leftovers = self._layout.remove_leftovers(time.time() - self._temporary_age)
        mark = self._ledger.mark()
        kept: list[EntryInfo] = []
        damaged = 0
        for image in self._layout.images():
            for entry in list(self._layout.listing(image)):
                if self._layout.is_damaged(entry):
                    self._layout.remove(entry)
                    damaged += 1
                else:
                    kept.append(entry)
            self._layout.remove_folder(image)
        counted = usage_of(kept)
        evicted = NOTHING
        for entry in plan_eviction(
            kept,
            self._affordable(counted),
            now=time.time(),
            grace_seconds=self._grace,
            low_water=self._low_water,
            image_share=self._image_share,
        ):
            evicted += self._layout.remove(entry)
        usage = self._ledger.reset(counted - evicted, mark)
        return SweepReport(ran=True, evicted=evicted, leftovers=leftovers, damaged=damaged, usage=usage)

    def _affordable(self, held: Amount) -> Amount:
        """The budget, or less where the file system is short of bytes or inodes."""
        status = os.statvfs(self._layout.root)
        free = (status.f_bavail - int(status.f_blocks * _FREE_SHARE)) * status.f_frsize
        byte_budget = min(self._budget.bytes, max(0, held.bytes + free))
        if not status.f_files:  # file systems that make inodes as they need them say 0
            return Amount(byte_budget, self._budget.entries)
        inodes = status.f_favail - int(status.f_files * _FREE_SHARE)
        return Amount(byte_budget, min(self._budget.entries, max(0, held.entries + inodes)))

    def _new_writer(self, key: DerivativeKey, content_type: str) -> DiskEntryWriter:
        usage = self._ledger.usage()
        if not (usage.held + FOLDER).fits(usage.budget):
            raise CacheFullError(f"{usage.held.bytes} bytes in {usage.held.entries} files are kept already")
        return DiskEntryWriter(self._layout, self._ledger, key, content_type, fsync=self._fsync)

    def _checked(self, descriptor: int, path: str, key: DerivativeKey) -> Entry:
        """The entry behind a descriptor, which is closed if there is none."""
        try:
            self._note_use(descriptor)
            return open_entry(descriptor, key)
        except OSError as error:
            os.close(descriptor)
            if not is_beyond_reading(error):
                raise
            self._remove_damaged(path)
            raise CorruptEntryError(f"the entry cannot be read: {error.strerror}") from error
        except CorruptEntryError:
            os.close(descriptor)
            self._remove_damaged(path)
            raise

    def _note_use(self, descriptor: int) -> None:
        if time.time() - os.fstat(descriptor).st_mtime > self._touch:
            with suppress(OSError):  # a folder that may only be read is still a cache
                os.utime(descriptor)

    def _remove_damaged(self, path: str) -> None:
        with suppress(FileNotFoundError, IsADirectoryError):
            byte_size = Path(path).lstat().st_size
            Path(path).unlink()
            self._ledger.release(Amount(allocated(byte_size), 1))


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock file if nobody else does; whether that is so."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
