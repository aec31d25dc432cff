"""From the errors of the operating system to those of the cache."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from caching.errors import CacheUnavailableError, NoSpaceError


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Raise NoSpaceError or CacheUnavailableError instead of OSError."""
    try:
        yield
    except OSError as error:
        kind = NoSpaceError if error.errno in (errno.ENOSPC, errno.EDQUOT) else CacheUnavailableError
        raise kind(f"{action}: {error.strerror or error}") from error
