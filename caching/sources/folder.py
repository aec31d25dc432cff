"""A folder of kept files: where they lie, what they take together, and making room.

<first 2 digits of the name>/<name><suffix>      a file that is whole
<first 2 digits of the name>/<name><suffix>.new  one that is being written
uses, usage, sweep.lock                          last uses, the ledger, held by the one sweeper
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from caching.backends.ledger import Ledger
from caching.backends.protocol import SweepReport
from caching.eviction import NOTHING, Amount
from caching.sources.eviction import KeptFile, plan_eviction, usage_of
from caching.sources.uses import Snapshot, UseTimes

UNFINISHED = (".new", ".partial")
LOW_WATER = 0.9
"""Of the budget, what a sweep leaves: so that not every file has to make room for itself."""
_FREE_SHARE = 0.02
"""The part of the file system that a sweep leaves free, budget or not: others live there too."""
_SHARD_DIGITS = 2


class SourceFolder:
    """`pinned` gives the places of which nothing may go. `foreign`: endings of files that others keep here, which count
    and are evicted like its own. Methods raise OSError.
    """

    def __init__(
        self,
        root: Path,
        suffix: str,
        budget: Amount,
        *,
        ttl_seconds: float = 0.0,
        pinned: Callable[[], Collection[str]] = frozenset,
        foreign: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.budget = budget
        self.ledger = Ledger(root / "usage", budget)
        self.uses = UseTimes(root / "uses")
        self._suffix = suffix
        self._ttl_seconds = ttl_seconds
        self._pinned = pinned
        self._suffixes = (suffix, *foreign)

    def path_of(self, name: str) -> str:
        return f"{self.root}/{name[:_SHARD_DIGITS]}/{name}{self._suffix}"

    def unfinished_path_of(self, name: str) -> str:
        return f"{self.path_of(name)}.new"

    def temporary_path_of(self, name: str) -> str:
        return f"{self.path_of(name)}.{secrets.token_hex(8)}.new"

    def make(self, name: str = "") -> None:
        """Make the folders that are not there yet; sources may be restricted, so nobody else may read."""
        folder = self.root / name[:_SHARD_DIGITS] if name else self.root
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def listing(self) -> Iterator[tuple[Path, KeptFile]]:
        """All files; those that vanish meanwhile are left out."""
        times = self.uses.read()
        for shard in _folders(self.root):
            with suppress(FileNotFoundError), os.scandir(shard) as found:
                for entry in found:
                    name, dot, rest = entry.name.partition(".")
                    if dot and f".{rest}".startswith(self._suffixes):
                        with suppress(FileNotFoundError):
                            yield Path(entry.path), self._kept(entry, name, times)

    def _kept(self, entry: "os.DirEntry[str]", name: str, times: Snapshot) -> KeptFile:
        status = entry.stat(follow_symlinks=False)
        used, is_unfinished = status.st_mtime, entry.name.endswith(UNFINISHED)
        if not is_unfinished:
            used = max(used, times.of(name))
        return KeptFile(entry.name, name.partition("-")[0], status.st_size, used, status.st_mtime, is_unfinished)

    def sweep(self, target: Amount | None = None) -> SweepReport:
        """Remove what has to go, down to `target` or the low-water mark; one process at a time."""
        self.make()
        with _held(self.root) as is_held:
            if not is_held:
                return SweepReport(ran=False)
            mark = self.ledger.mark()
            found = {file.name: (path, file) for path, file in self.listing()}
            files = [file for _path, file in found.values()]
            counted = usage_of(files)
            evicted, leftovers = NOTHING, 0
            for file in plan_eviction(
                files,
                self._affordable(counted, target or self.budget.scaled(LOW_WATER)),
                now=time.time(),
                ttl_seconds=self._ttl_seconds,
                pinned=self._pinned(),
            ):
                with suppress(FileNotFoundError):
                    found[file.name][0].unlink()
                evicted += file.cost
                leftovers += file.is_unfinished
            usage = self.ledger.reset(counted - evicted, mark)
            return SweepReport(ran=True, evicted=evicted, leftovers=leftovers, usage=usage)

    def clear(self, place: str | None = None) -> Amount:
        """Remove every file, or those of one place, pinned or not; what this freed."""
        freed = NOTHING
        for path, file in list(self.listing()):
            if place in (None, file.place):
                with suppress(FileNotFoundError):
                    path.unlink()
                    freed += file.cost
        if freed != NOTHING:
            self.ledger.release(freed)
        return freed

    def _affordable(self, held: Amount, target: Amount) -> Amount:
        """The target, or less where the file system is short of bytes or inodes."""
        status = os.statvfs(self.root)
        free = (status.f_bavail - int(status.f_blocks * _FREE_SHARE)) * status.f_frsize
        byte_target = min(target.bytes, max(0, held.bytes + free))
        if not status.f_files:  # file systems that make inodes as they need them say 0
            return Amount(byte_target, target.entries)
        inodes = status.f_favail - int(status.f_files * _FREE_SHARE)
        return Amount(byte_target, min(target.entries, max(0, held.entries + inodes)))


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as found:
            return [entry.path for entry in found if len(entry.name) == _SHARD_DIGITS and entry.is_dir()]
    except FileNotFoundError:
        return []


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock if nobody else does; whether that is so. It takes no file: inodes may have run out."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
