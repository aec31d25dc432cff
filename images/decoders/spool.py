"""Bytes that wait for a slow reader: the first in memory, the others in a file that has no name."""

import os
import tempfile
import threading
import time
from collections import deque
from typing import BinaryIO

_MEMORY_BYTES = 4 * 1024**2
_PIECE_BYTES = 256 * 1024


class Spool:
    """One thread puts pieces in, another gets them out in the same order.

    At most `limit` bytes wait in the file. Whoever puts more waits for the reader, as also when the file system takes
    no more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()  # all of them come before what the file holds
        self._held = 0
        self._file: BinaryIO | None = None
        self._read_to = self._written_to = 0
        self._is_finished = self._is_closed = False
        self._failure: Exception | None = None

    def put(self, piece: bytes, deadline: float) -> None:
        """Add `piece`; waits for room until `deadline`, a reading of `time.monotonic`. Raises TimeoutError."""
        with self._changed:
            while not self._is_closed and not self._take(piece):
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError("Nobody came for what was made.")
            self._changed.notify_all()

    def finish(self, failure: Exception | None = None) -> None:
        """Nothing more will come; the reader gets what is there, and then `failure` if there is one."""
        with self._changed:
            self._is_finished = True
            self._failure = failure
            self._changed.notify_all()

    def get(self, patience_seconds: float | None = None) -> bytes | None:
        """The next piece, or None at the end; nothing (b"") where there is none within `patience_seconds`.

        Raises what `finish` was given.
        """
        with self._changed:
            while not self._has_bytes() and not self._is_finished and not self._is_closed:
                if not self._changed.wait(patience_seconds):
                    return b""
            if self._is_closed:
                return None
            if not self._has_bytes():
                if self._failure is not None:
                    raise self._failure
                return None
            piece = self._from_memory() if self._pieces else self._from_file()
            self._changed.notify_all()
            return piece

    def close(self) -> None:
        """Nobody will read any more: what is there and what is still put in is dropped."""
        with self._changed:
            self._is_closed = True
            self._pieces.clear()
            if self._file is not None:
                self._file.close()
                self._file = None
            self._changed.notify_all()

    def _has_bytes(self) -> bool:
        return bool(self._pieces) or self._read_to < self._written_to

    def _take(self, piece: bytes) -> bool:
        is_file_empty = self._read_to == self._written_to
        if is_file_empty and (not self._pieces or self._held + len(piece) <= _MEMORY_BYTES):
            self._pieces.append(piece)
            self._held += len(piece)
            return True
        if self._written_to + len(piece) > self._limit:
            return False
        try:
            self._append(piece)
        except OSError:
            return False
        return True

    def _append(self, piece: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
        written = 0
        while written < len(piece):
            written += os.pwrite(self._file.fileno(), memoryview(piece)[written:], self._written_to + written)
        self._written_to += len(piece)

    def _from_memory(self) -> bytes:
        piece = self._pieces.popleft()
        self._held -= len(piece)
        return piece

    def _from_file(self) -> bytes:
        if self._file is None:
            raise EOFError("The spool lost its file.")
        length = min(_PIECE_BYTES, self._written_to - self._read_to)
        piece = os.pread(self._file.fileno(), length, self._read_to)
        if not piece:
            raise EOFError("The file of the spool is shorter than what was written.")
        self._read_to += len(piece)
        if self._read_to == self._written_to:
            self._read_to = self._written_to = 0
            self._file.truncate(0)
        return piece
