"""Writing entries to places that take them whole."""

from collections.abc import Callable

from caching.backends.protocol import Usage
from caching.errors import CacheError, EntryTooLongError


class WholeEntryWriter:
    """Collects an entry and hands it to `put` at once. Raises EntryTooLongError above `entry_bytes`."""

    def __init__(self, put: Callable[[bytes], Usage], entry_bytes: int) -> None:
        self._put = put
        self._entry_bytes = entry_bytes
        self._pieces: list[bytes] | None = []
        self._length = 0

    def write(self, chunk: bytes) -> None:
        if self._pieces is None:
            raise CacheError("the entry was committed or discarded before")
        self._length += len(chunk)
        if self._length > self._entry_bytes:
            self.discard()
            raise EntryTooLongError(f"entries of more than {self._entry_bytes} bytes are not kept here")
        self._pieces.append(chunk)

    def commit(self) -> Usage:
        if self._pieces is None:
            raise CacheError("the entry was committed or discarded before")
        pieces, self._pieces = self._pieces, None
        return self._put(b"".join(pieces))

    def discard(self) -> None:
        self._pieces = None
