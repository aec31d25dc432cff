"""The file in which one process counts, so that all processes of a host can read it at any time.

A table of records in shared memory: name, kind and value, each record written once and its value changed in place.

    magic    256 bytes, "IIIFcnt1" and zeros
    record   240 bytes name (UTF-8, zeros behind it), 8 bytes value, 8 bytes kind; 256 bytes in all
    ...

Numbers are unsigned and in the machine's order: the file never leaves it. The owner holds a lock (flock) on it for as
long as it lives: by that others know whether it counts on.
"""

import enum
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"IIIFcnt1"
RECORDS = 1024
"""A server has some 300 names, and more only with many stores. What comes later shares the last one, which has none."""

_RECORD_BYTES = 256
_NAME_BYTES = 240
_WORDS = _RECORD_BYTES // 8
_VALUE_WORD = _NAME_BYTES // 8
_KIND_WORD = _VALUE_WORD + 1
FILE_BYTES = _RECORD_BYTES * (RECORDS + 1)


class Kind(enum.IntEnum):
    """What a value is: COUNTER and BUCKET and MICROSECONDS only grow; a GAUGE is of now, and gone with its process."""

    COUNTER = 1
    GAUGE = 2
    BUCKET = 3
    MICROSECONDS = 4


class CounterFile:
    """The table of this process; without a path it is in memory only. Raises OSError where it cannot be made."""

    def __init__(self, path: Path | None = None) -> None:
        self._descriptor: int | None = None
        self._buffer: bytearray | mmap.mmap
        if path is None:
            self._buffer = bytearray(FILE_BYTES)
        else:
            # Under another name until it is locked: else a reader would take it for that of a process that has ended.
            made = path.with_suffix(".new")
            self._descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A page that a full disk has no room for would end the process when it is first touched.
                os.posix_fallocate(self._descriptor, 0, FILE_BYTES)
                self._buffer = _mapped(made)
                made.rename(path)
            except BaseException:
                made.unlink(missing_ok=True)
                os.close(self._descriptor)
                raise
        self._buffer[: len(MAGIC)] = MAGIC
        self.words = memoryview(self._buffer).cast("Q")
        self._used = 0

    def add_record(self, name: str, kind: Kind) -> int:
        """The place of a new value in `words`; one that nobody reads where the table is full or the name too long."""
        encoded = name.encode()
        if self._used >= RECORDS - 1 or len(encoded) > _NAME_BYTES:
            return RECORDS * _WORDS + _VALUE_WORD
        self._used += 1
        start = self._used * _RECORD_BYTES
        self.words[self._used * _WORDS + _KIND_WORD] = kind
        self._buffer[start : start + len(encoded)] = encoded  # readers take no record without a name
        return self._used * _WORDS + _VALUE_WORD

    @property
    def is_shared(self) -> bool:
        return self._descriptor is not None

    def let_go(self) -> None:
        """Close the descriptor: in a child, which would hold the lock of its parent; the table stays as it is."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _mapped(path: Path) -> mmap.mmap:
    """A mapping keeps a copy of the descriptor that it was made with, so that cannot be the one that holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, FILE_BYTES)
    finally:
        os.close(descriptor)


def read_records(data: bytes) -> Iterator[tuple[str, Kind, int]]:
    """The records of a file; nothing where it is none."""
    if len(data) < FILE_BYTES or not data.startswith(MAGIC):
        return
    words = memoryview(data).cast("Q")
    for record in range(1, RECORDS + 1):
        start = record * _RECORD_BYTES
        name = data[start : start + _NAME_BYTES].rstrip(b"\0")
        if not name:
            return
        kind = words[record * _WORDS + _KIND_WORD]
        yield name.decode(errors="replace"), Kind(kind), words[record * _WORDS + _VALUE_WORD]
