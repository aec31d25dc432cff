"""Sources that are files below a folder of this machine."""

import logging
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from images.sources.beneath import open_beneath
from images.sources.errors import SourceChangedError, SourceError, SourceUnreachableError
from images.sources.files import FileReader
from images.sources.location import Location, key_segments

logger = logging.getLogger(__name__)


def open_file(location: Location, etag: str | None = None) -> FileReader:
    """Open the file at `location`; with `etag` given, only that version of it. Raises SourceError."""
    reader = FileReader(open_beneath(location.root, location.key))
    if etag is not None and reader.stat().etag != etag:
        reader.close()
        raise SourceChangedError(
            "The file was replaced since it was last read.",
            f"{location.root}/{location.key}: {etag} became {reader.stat().etag}",
        )
    return reader


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
