"""The file of the ranges that were read of one version of one source: records, appended one after the other.

    head      magic 7 bytes, format 1, name of the key 65, byte size of the source 8, CRC-32 of these 4
    record    magic 4, start 8, length 8, CRC-32 of the body 4, CRC-32 of these 4; then the body

Numbers are big-endian. Nothing in the file is ever changed but its torn end, which a process leaves that dies while
it appends: whoever appends next, under flock(2), cuts it off. Readers take no lock: they take what is whole.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from caching.errors import CorruptEntryError
from caching.sources.keys import SourceKey

_HEAD = struct.Struct(">7sB65sQI")
_RECORD = struct.Struct(">4sQQII")
_MAGIC = b"IIIFblk"
_FORMAT = 1
_RECORD_MAGIC = b"blk1"
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW

RECORD_BYTES = _RECORD.size
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True, slots=True)
class Record:
    """A body that lies at `offset` of the file and at `start` of the source."""

    start: int
    stop: int
    offset: int
    crc: int


class BlockFile:
    """One open file. Methods raise OSError, and CorruptEntryError for what is not what was written."""

    def __init__(self, descriptor: int, key: SourceKey) -> None:
        """Takes the descriptor over. Raises CorruptEntryError, then the descriptor is closed."""
        try:
            self.byte_size = _parse_head(os.pread(descriptor, _HEAD.size, 0), key)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._end = _HEAD.size

    @classmethod
    def find(cls, path: str, key: SourceKey) -> "BlockFile | None":
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            return None
        return cls(descriptor, key)

    @classmethod
    def create(cls, path: str, temporary: str, key: SourceKey, byte_size: int) -> "BlockFile":
        """A new file with its head, whole or absent; if another process was faster, its file."""
        descriptor = os.open(temporary, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, _pack_head(key, byte_size))
            os.link(temporary, path)
        except FileExistsError:
            os.close(descriptor)
            found = cls.find(path, key)
            if found is None:
                raise
            return found
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            Path(temporary).unlink(missing_ok=True)
        return cls(descriptor, key)

    @property
    def is_linked(self) -> bool:
        """False once it was evicted: then others cannot find what is appended here."""
        return os.fstat(self._descriptor).st_nlink > 0

    def new_records(self) -> list[Record]:
        """Those that were appended since the last call, by whomever."""
        with self._lock:
            size = os.fstat(self._descriptor).st_size
            return self._scan(size)

    def _scan(self, size: int) -> list[Record]:
        records = []
        while self._end + _RECORD.size <= size:
            head = os.pread(self._descriptor, _RECORD.size, self._end)
            record = _parse_record(head, self._end + _RECORD.size)
            if record is None or record.offset + record.stop - record.start > size:
                break
            records.append(record)
            self._end = record.offset + record.stop - record.start
        return records

    def read(self, record: Record) -> bytes:
        data = os.pread(self._descriptor, record.stop - record.start, record.offset)
        if zlib.crc32(data) != record.crc or len(data) != record.stop - record.start:
            raise CorruptEntryError("the checksum of a block does not match")
        return data

    def append(self, pieces: Iterable[tuple[int, bytes]]) -> list[Record]:
        """Add (start, body) pieces; all records that were new, those of other processes too."""
        with self._lock:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                size = os.fstat(self._descriptor).st_size
                records = self._scan(size)
                if self._end < size:
                    os.ftruncate(self._descriptor, self._end)
                return records + [self._append(start, body) for start, body in pieces]
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _append(self, start: int, body: bytes) -> Record:
        crc = zlib.crc32(body)
        data = _pack_record(start, len(body), crc) + body
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._descriptor, memoryview(data)[written:], self._end + written)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        record = Record(start, start + len(body), self._end + _RECORD.size, crc)
        self._end += len(data)
        return record

    def __del__(self) -> None:
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            try:
                os.close(descriptor)
            except OSError:
                return


def _pack_head(key: SourceKey, byte_size: int) -> bytes:
    data = _HEAD.pack(_MAGIC, _FORMAT, key.name.encode(), byte_size, 0)[:-4]
    return data + struct.pack(">I", zlib.crc32(data))


def _parse_head(data: bytes, key: SourceKey) -> int:
    if len(data) < _HEAD.size:
        raise CorruptEntryError("the file of blocks ends within its head")
    magic, format_version, name, byte_size, crc = _HEAD.unpack(data)
    if magic != _MAGIC or format_version != _FORMAT or crc != zlib.crc32(data[:-4]):
        raise CorruptEntryError("the file is none of blocks")
    if name != key.name.encode():
        raise CorruptEntryError("the blocks are of another source")
    return int(byte_size)


def _pack_record(start: int, length: int, crc: int) -> bytes:
    data = _RECORD.pack(_RECORD_MAGIC, start, length, crc, 0)[:-4]
    return data + struct.pack(">I", zlib.crc32(data))


def _parse_record(data: bytes, offset: int) -> Record | None:
    if len(data) < _RECORD.size:
        return None
    magic, start, length, crc, check = _RECORD.unpack(data)
    if magic != _RECORD_MAGIC or check != zlib.crc32(data[:-4]):
        return None
    return Record(start, start + length, offset, crc)
