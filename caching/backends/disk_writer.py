"""Writing the file of one entry, and giving it its name."""

import os
import secrets
import zlib
from contextlib import suppress
from pathlib import Path

from caching.backends.entry_file import Header, header_byte_size
from caching.backends.layout import Layout
from caching.backends.ledger import Ledger
from caching.backends.oserrors import translated
from caching.backends.protocol import Usage
from caching.errors import CacheError
from caching.eviction import FOLDER, Amount, allocated
from caching.keys import DerivativeKey

_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_RENAMES = 10


class DiskEntryWriter:
    """Writes one entry under a temporary name; the header, which ends the work, goes in last."""

    def __init__(self, layout: Layout, ledger: Ledger, key: DerivativeKey, content_type: str, *, fsync: bool) -> None:
        self._layout = layout
        self._ledger = ledger
        self._key = key
        self._content_type = content_type
        self._fsync = fsync
        self._length = 0
        self._crc = 0
        self._path: Path | None = layout.temporary / f"{os.getpid()}-{secrets.token_hex(16)}"
        descriptor = os.open(self._path, _WRITE_FLAGS, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=1 << 17)
        self._file.seek(header_byte_size(content_type))

    def write(self, chunk: bytes) -> None:
        with translated("writing an entry"):
            self._file.write(chunk)
        self._length += len(chunk)
        self._crc = zlib.crc32(chunk, self._crc)

    def commit(self) -> Usage:
        header = Header(bytes.fromhex(self._key.digest), self._content_type, self._length, self._crc)
        try:
            with translated("writing an entry"):
                self._file.seek(0)
                self._file.write(header.pack())
                self._file.flush()
                if self._fsync:
                    os.fsync(self._file.fileno())
                self._file.close()
                return self._publish(header.byte_size + self._length)
        finally:
            self.discard()

    def discard(self) -> None:
        path, self._path = self._path, None
        with suppress(OSError):
            self._file.close()
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def _publish(self, byte_size: int) -> Usage:
        """Book the entry and give it its name."""
        target = Path(self._layout.path_of(self._key))
        with self._ledger.booked(lambda: _cost(target, byte_size)) as usage:
            self._rename(target)
        return usage

    def _rename(self, target: Path) -> None:
        if self._path is None:
            raise CacheError("the entry was committed or discarded before")
        for attempt in range(_RENAMES):
            try:
                self._path.rename(target)
            except FileNotFoundError:
                if attempt == _RENAMES - 1 or not self._path.exists():
                    raise
                # The first entry of an image, or a sweeper has just removed the empty folder.
                self._layout.make_folder_of(self._key.image)
            else:
                self._path = None
                return


def _cost(target: Path, byte_size: int) -> Amount:
    """What the entry adds: a folder if it is the first of its image, nothing if it replaces its like."""
    cost = Amount(allocated(byte_size), 1)
    try:
        return cost - Amount(allocated(target.stat().st_size), 1)
    except FileNotFoundError:
        return cost if target.parent.is_dir() else cost + FOLDER
