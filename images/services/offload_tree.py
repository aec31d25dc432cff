"""Plain files that a web server in front can send by itself.

    live/{encoded identifier}   a symbolic link to the folder of the image as it is served now
    v/{uuid}.{version}.{state}/{tree}/{region}/{size}/{rotation}/{quality}.{format}
    dead/                       links that were taken away all at once
    v/{uuid}.{version}.accel/{digest}   bodies of answers whose headers the server gives (X-Accel-Redirect)

What is not below a link is not served without asking the server. Links are made, switched and taken away atomically,
by any process of the host.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from caching.eviction import NOTHING, Amount, allocated

_NAME_BYTES = 255
"""The longest name that file systems take."""
_ROOM = 0.9
"""How full a sweep leaves the tree."""


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path
    used: float
    amount: Amount


class OffloadTree:
    """Below `root`. Methods raise OSError. Thread-safe, and safe between processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._live = root / "live"
        self._versions = root / "v"
        self._dead = root / "dead"

    def put(self, folder: str, relative: str, chunks: Iterable[bytes], modified_seconds: int) -> None:
        """Write a file whole or not at all. Raises what reading `chunks` raises, too."""
        path = self._versions / folder / relative
        partial = self._versions / f".{_unique()}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.writelines(chunks)
            os.utime(partial, (modified_seconds, modified_seconds))
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def has(self, folder: str, relative: str, byte_size: int, modified_seconds: int) -> bool:
        """Whether just this file is there."""
        try:
            status = (self._versions / folder / relative).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return status.st_size == byte_size and int(status.st_mtime) == modified_seconds

    def find_link(self, name: str) -> str | None:
        """The folder that is live under a name."""
        try:
            return (self._live / name).readlink().name
        except FileNotFoundError:
            return None

    def link(self, name: str, folder: str) -> None:
        """Make a folder live, in place of what was."""
        partial = self.root / f".{_unique()}.link"
        self._live.mkdir(parents=True, exist_ok=True)
        partial.symlink_to(f"../v/{folder}")
        try:
            partial.replace(self._live / name)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        with suppress(FileNotFoundError):
            os.utime(self._versions / folder)  # used last now

    def unlink(self, name: str) -> None:
        if is_name(name):
            (self._live / name).unlink(missing_ok=True)

    def unlink_all(self) -> None:
        """Every link, at one stroke."""
        with suppress(FileNotFoundError):
            self._dead.mkdir(exist_ok=True)
            self._live.rename(self._dead / _unique())

    def expire(self, seconds: float) -> int:
        """Take away links that are older; how many are left."""
        oldest, left = time.time() - seconds, 0
        for link in self._scan(self._live):
            with suppress(FileNotFoundError):
                made = link.stat(follow_symlinks=False).st_mtime
                if made < oldest or made > time.time() + 1:
                    Path(link.path).unlink()
                else:
                    left += 1
        return left

    def discard(self, image: str | None, before_version: int | None) -> None:
        """Remove the files of an image, or only those of older versions; of all images where it is None."""
        for folder in self._scan(self._versions):
            uuid, _, rest = folder.name.partition(".")
            version = rest.partition(".")[0]
            is_older = before_version is None or (version.isdecimal() and int(version) < before_version)
            if image is None or (uuid == image and is_older):
                _remove(Path(folder.path))

    def sweep(self, max_bytes: int, max_entries: int) -> Amount:
        """Remove what was taken away, and make room: what was linked longest ago goes first. What was freed."""
        for links in self._scan(self._dead):
            _remove(Path(links.path))
        folders = sorted(map(_measure, self._scan(self._versions)), key=lambda folder: folder.used)
        held = sum((folder.amount for folder in folders), NOTHING)
        budget = Amount(max_bytes, max_entries)
        if held.fits(budget):
            return NOTHING
        freed = NOTHING
        for folder in folders:
            if (held - freed).fits(budget.scaled(_ROOM)):
                break
            _remove(folder.path)
            freed += folder.amount
        return freed

    def _scan(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                yield from list(entries)
        except FileNotFoundError:
            return


def is_name(name: str) -> bool:
    """Whether an encoded identifier can name a link: one segment, not hidden, not too long."""
    return bool(name) and not name.startswith(".") and "/" not in name and len(name.encode()) <= _NAME_BYTES


def _unique() -> str:
    return f"{os.getpid()}-{time.time_ns()}-{os.urandom(4).hex()}"


def _measure(entry: os.DirEntry[str]) -> _Folder:
    amount, path = NOTHING, Path(entry.path)
    for parent, _folders, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                amount += Amount(allocated((Path(parent) / name).stat().st_size), 1)
    try:
        return _Folder(path, entry.stat(follow_symlinks=False).st_mtime, amount)
    except FileNotFoundError:
        return _Folder(path, 0, amount)


def _remove(path: Path) -> None:
    """Links into it lead nowhere from now on, and what they would have shown is asked for behind."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif time.time() - path.lstat().st_mtime > 3600:  # a part that nobody is writing any more
        path.unlink(missing_ok=True)
