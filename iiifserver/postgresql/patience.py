"""For how long an answer of the database is waited for.

Commands and tasks wait without an end, as whatever they ask may take long. The web server does not: a database that
hangs takes questions and never answers them, and would hold each thread that asks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_process_seconds: float | None = None
_own_seconds: ContextVar[float | None] = ContextVar("database_seconds", default=None)


def limit_waiting(seconds: float | None) -> None:
    """Let the threads of this process wait for so many seconds for each answer; None: without an end."""
    global _process_seconds  # noqa: PLW0603 - it is one for the process
    _process_seconds = seconds


@contextmanager
def waiting_for(seconds: float | None) -> Iterator[None]:
    """Let this thread wait for so long within the block, where its process has a limit; None: for as long as others."""
    token = _own_seconds.set(seconds)
    try:
        yield
    finally:
        _own_seconds.reset(token)


def seconds_to_wait() -> float | None:
    """For one answer, in this thread; None: without an end."""
    return None if _process_seconds is None else _own_seconds.get() or _process_seconds
