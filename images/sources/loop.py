"""One event loop of this process, in a thread of its own, for readers that wait for many answers at once."""

import asyncio
import atexit
import contextlib
import os
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from images.sources.errors import SourceUnreachableError

Result = TypeVar("Result")

_CANCEL_SECONDS = 2.0
_SETTLE_SECONDS = 0.1
"""The threads of a library in another language take back the interpreter once more after an answer is there: if it is
gone by then, they abort the process."""


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
                threading.Thread(target=_run, args=(self._loop,), name="object-stores", daemon=True).start()
            return self._loop

    def close(self) -> None:
        """Cancel what runs, and let the libraries' threads come to rest: called before the interpreter ends."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._pid != os.getpid():
            return
        with contextlib.suppress(TimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result(_CANCEL_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)

    def after_fork(self) -> None:
        """Another thread may have held the lock."""
        self._lock = threading.Lock()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


loop = LoopThread()
atexit.register(loop.close)
os.register_at_fork(after_in_child=loop.after_fork)
