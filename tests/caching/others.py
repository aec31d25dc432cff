"""Another process, as far as its locks tell."""

import time


class OtherProcess:
    """Locks, some of which another process holds until it lets go."""

    def __init__(self) -> None:
        self.theirs: set[str] = set()
        self.ours: list[str] = []

    def acquire(self, digest: str, timeout_seconds: float) -> bool:
        end = time.monotonic() + timeout_seconds
        while digest in self.theirs and time.monotonic() < end:
            time.sleep(0.005)
        if digest not in self.theirs:
            self.ours.append(digest)
        return digest not in self.theirs

    def release(self, digest: str) -> None:
        self.ours.remove(digest)
