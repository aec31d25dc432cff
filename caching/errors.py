"""What can go wrong in a cache. None of it reaches a client: it is logged, counted and treated as a miss."""


class CacheError(Exception):
    """The cache could not do what was asked of it; `detail` says what, in plain words."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class CorruptEntryError(CacheError):
    """An entry was not what was written under its key. Whoever raises this has removed it."""


class CacheFullError(CacheError):
    """The budget has no room; the entry was not kept."""


class EntryTooLongError(CacheError):
    """Entries of this length are not kept there."""


class CacheUnavailableError(CacheError):
    """The storage below the cache refused: not there, not writable, broken."""


class NoSpaceError(CacheUnavailableError):
    """The file system below the cache is out of bytes, inodes or quota."""
