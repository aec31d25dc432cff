"""Work that no answer waits for: done by one thread, in order, from a queue that is bounded."""

import logging
import queue
import threading
from collections.abc import Callable, Hashable

logger = logging.getLogger(__name__)

Job = Callable[[], None]

_IDLE_SECONDS = 10.0


class BackgroundQueue:
    """A queue of `limit` jobs, and a thread as long as there are any. Jobs say themselves what goes wrong."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._jobs: queue.Queue[Job] = queue.Queue(limit)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._keys: set[Hashable] = set()

    def submit(self, job: Job) -> bool:
        """False where too much is waiting already: then the job is not done."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
        return True

    def submit_once(self, key: Hashable, job: Callable[[], object]) -> bool:
        """The same; nothing where a job with this key is waiting or being done."""

        def work() -> None:
            try:
                job()
            finally:
                self._keys.discard(key)

        with self._lock:
            if key in self._keys:
                return True
            self._keys.add(key)
        if self.submit(work):
            return True
        self._keys.discard(key)
        return False

    def wait(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until all that was submitted before is done."""
        done = threading.Event()
        return self.submit(done.set) and done.wait(timeout_seconds)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._thread = None
                        return
                continue
            try:
                job()
            except Exception:
                logger.exception("a job in the background failed")
