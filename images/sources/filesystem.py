"""Sources that are files below a folder of this machine."""

import logging
import os
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from images.sources.beneath import open_beneath
from images.sources.errors import SourceChangedError, SourceError, SourceUnreachableError
from images.sources.files import FileReader
from images.sources.location import Location, key_segments

logger = logging.getLogger(__name__)

_SETTLE_NS = 50_000_000  # kernels stamp in steps of up to 10 ms; the rest is for the write that the stamp belongs to
_SETTLE_ATTEMPTS = 20  # a second in all


def open_file(location: Location, etag: str | None = None) -> FileReader:
    """Open the file at `location`; with `etag` given, only that version of it. Raises SourceError."""
    fd = open_beneath(location.root, location.key)
    try:
        _wait_until_settled(fd)
    except BaseException:
        os.close(fd)
        raise
    reader = FileReader(fd)
    if etag is not None and reader.stat().etag != etag:
        reader.close()
        raise SourceChangedError(
            "The file was replaced since it was last read.",
            f"{location.root}/{location.key}: {etag} became {reader.stat().etag}",
        )
    return reader


def _wait_until_settled(fd: int) -> None:
    """Return once the file was left alone for a moment; SourceChangedError if somebody keeps writing to it.

    File systems stamp a write when it begins, by a clock that advances in steps. A file that was written to in this
    step may get other bytes without getting another stamp: then neither the etag nor `verify` could tell.
    """
    for _attempt in range(_SETTLE_ATTEMPTS):
        age_ns = time.time_ns() - os.fstat(fd).st_ctime_ns
        if not 0 <= age_ns < _SETTLE_NS:  # a stamp of the future comes from another machine's clock
            return
        time.sleep((_SETTLE_NS - age_ns) / 1e9)
    raise SourceChangedError("The file is being written.")


def list_files(root: Path | str, suffixes: Collection[str]) -> Iterator[str]:
    """The keys of all files below `root` that end in one of `suffixes` (".tif", in any case), in ascending order.

    Left out: hidden files and folders, symbolic links to folders, links that lead outside the root, whatever is no
    regular file, and names that cannot be keys. Raises SourceUnreachableError if the root itself cannot be listed.
    """
    root = os.path.abspath(root)  # noqa: PTH100 - links in the root stay as the operator wrote them
    endings = tuple(suffix.lower() for suffix in suffixes)
    try:
        pending = _sorted_names(root, "")
    except OSError as error:
        raise SourceUnreachableError("The folder cannot be listed.", str(error)) from error
    while pending:
        key = pending.pop()
        if key.endswith("/"):
            try:
                pending += _sorted_names(root, key)
            except OSError as error:
                logger.warning("The folder %s is left out: %s", key, error.strerror)
        elif key.lower().endswith(endings) and _can_be_opened(root, key):
            yield key


def _sorted_names(root: str, folder: str) -> list[str]:
    """The keys in one folder, those of folders with a slash at the end, last one first."""
    names = []
    with os.scandir(f"{root}/{folder}") as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                ending = "/" if entry.is_dir(follow_symlinks=False) else ""
                names.append(f"{folder}{entry.name}{ending}")
    return sorted(names, reverse=True)


def _can_be_opened(root: str, key: str) -> bool:
    """Regular files are taken as they are: that one may not be read is for ingest to say. Links are tried out."""
    try:
        key_segments(key)
        mode = os.lstat(f"{root}/{key}").st_mode
        if stat.S_ISLNK(mode):
            os.close(open_beneath(root, key))
            return True
    except (OSError, SourceError) as error:
        logger.warning("The file %r is left out: %s", key, error)
        return False
    return stat.S_ISREG(mode)
