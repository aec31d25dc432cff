"""Where the entries of a folder lie, and walking through them.

    entries/<last 2 digits of the image>/<image>/<version>-<digest of the key>
    temporary/<anything>       entries being written
    usage                      the ledger
    sweep.lock                 held by the one sweeper

A folder per image lets a purge of one image list one folder, and a folder's names tell which
entries are of superseded versions. It costs one inode and one block per image; the budget counts
them. The last digits of a UUID are random in every version of UUIDs; the first may be a clock.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from caching.backends.entry_file import check_header
from caching.errors import CorruptEntryError
from caching.eviction import FOLDER, NOTHING, Amount, EntryInfo
from caching.keys import DerivativeKey

_SHARD = re.compile(r"[0-9a-f]{2}")
_IMAGE = re.compile(r"[0-9a-f]{32}")
READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NAME = re.compile(r"(\d{1,19})-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Layout:
    root: Path

    @property
    def entries(self) -> Path:
        return self.root / "entries"

    @property
    def temporary(self) -> Path:
        return self.root / "temporary"

    @property
    def ledger(self) -> Path:
        return self.root / "usage"

    @property
    def sweep_lock(self) -> Path:
        return self.root / "sweep.lock"

    def make(self) -> None:
        """Make what is not there yet; entries may be restricted images, so nobody else may read."""
        for folder in (self.root, self.entries, self.temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make_folder_of(self, image: str) -> None:
        for folder in (self.root, self.entries, self.entries / image[-2:], self.folder_of(image)):
            # Not exist_ok: that looks at the folder again, and it may just be removed as empty.
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)

    def folder_of(self, image: str) -> Path:
        return self.entries / image[-2:] / image

    def path_of(self, key: DerivativeKey) -> str:
        # Text, not Path: hits and sweeps would spend most of their time on Path objects.
        image = key.image
        return f"{self.root}/entries/{image[-2:]}/{image}/{key.version}-{key.digest}"

    def path_of_info(self, entry: EntryInfo) -> str:
        image = entry.image
        return f"{self.root}/entries/{image[-2:]}/{image}/{entry.version}-{entry.digest}"

    def images(self) -> Iterator[str]:
        """Images that have a folder."""
        for shard in _names(self.entries, _SHARD):
            yield from _names(self.entries / shard, _IMAGE)

    def listing(self, image: str) -> Iterator[EntryInfo]:
        """The entries of one image; those that vanish meanwhile are left out."""
        with suppress(FileNotFoundError), os.scandir(self.folder_of(image)) as found:
            for file in found:
                name = _NAME.fullmatch(file.name)
                if name is None:
                    continue
                with suppress(FileNotFoundError):
                    status = file.stat(follow_symlinks=False)
                    yield EntryInfo(image, int(name[1]), name[2], status.st_size, status.st_mtime)

    def remove(self, entry: EntryInfo) -> Amount:
        """Remove one entry, and the folder of its image when that is empty; what this freed."""
        try:
            os.unlink(self.path_of_info(entry))  # noqa: PTH108 - a sweep does this for thousands
        except (FileNotFoundError, IsADirectoryError):
            return NOTHING
        return entry.cost + self.remove_folder(entry.image)

    def remove_folder(self, image: str) -> Amount:
        """Remove the folder of an image if it is empty; what this freed."""
        try:
            self.folder_of(image).rmdir()
        except OSError:
            return NOTHING
        return FOLDER

    def is_damaged(self, entry: EntryInfo) -> bool:
        """Whether the header is not that of this entry; bodies are checked when they are read."""
        try:
            descriptor = os.open(self.path_of_info(entry), READ_FLAGS)
        except OSError as error:
            return is_beyond_reading(error)
        try:
            check_header(descriptor, entry.digest, entry.byte_size)
        except CorruptEntryError:
            return True
        except OSError as error:
            return is_beyond_reading(error)
        finally:
            os.close(descriptor)
        return False

    def remove_leftovers(self, before: float) -> int:
        """Remove temporary files last written before that time; how many."""
        removed = 0
        with suppress(FileNotFoundError), os.scandir(self.temporary) as found:
            for file in found:
                with suppress(FileNotFoundError):
                    if file.stat(follow_symlinks=False).st_mtime < before:
                        Path(file.path).unlink()
                        removed += 1
        return removed


def is_beyond_reading(error: OSError) -> bool:
    """Whether the error says that this file, rather than the process or the folder, is at fault."""
    return error.errno in (errno.EIO, errno.ELOOP, errno.EISDIR, errno.ENXIO)


def _names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return [file.name for file in found if pattern.fullmatch(file.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
