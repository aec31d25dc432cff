"""One event loop of this process, in a thread of its own, for readers that wait for many answers at once."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from images.sources.errors import SourceUnreachableError

Result = TypeVar("Result")


class LoopThread:
    """The loop is started on first use. A forked child cannot use it any more, nor the libraries that ran in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The outcome of `work`, which bounds its own duration. Raises what it raises, and SourceUnreachableError."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._started())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid() and self._loop is not None:
            raise SourceUnreachableError(
                "Object storage cannot be reached from this process.",
                "it was forked from one that had used object storage already: start workers with threads",
            )
        with self._lock:
            if self._loop is None:
                self._pid = os.getpid()
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="object-stores", daemon=True).start()
            return self._loop

    def after_fork(self) -> None:
        """Another thread may have held the lock."""
        self._lock = threading.Lock()


loop = LoopThread()
os.register_at_fork(after_in_child=loop.after_fork)
