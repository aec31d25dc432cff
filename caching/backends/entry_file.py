"""The file of one entry: a header that can tell whether the rest is what was written.

    magic     7 bytes "IIIFdrv"
    format    1 byte  1
    key      32 bytes digest of the key that it was written under
    length    8 bytes of the body
    crc       4 bytes CRC-32 of the body
    type      1 byte  length of the content type, then the content type (ASCII)
    check     4 bytes CRC-32 of all the above
    body

Numbers are big-endian. Fields are checked in the order of what they cost.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from caching.backends.protocol import Entry
from caching.errors import CorruptEntryError
from caching.keys import DerivativeKey

_FIXED = struct.Struct(">7sB32sQIB")
_CHECK = struct.Struct(">I")
_MAGIC = b"IIIFdrv"
_FORMAT = 1
HEADER_MAX_BYTES = _FIXED.size + 255 + _CHECK.size
SMALL_BODY_BYTES = 1 << 20
"""Bodies up to here are read at once; longer ones are read twice: to check, then to send."""
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Header:
    key: bytes
    content_type: str
    length: int
    crc: int

    @property
    def byte_size(self) -> int:
        """Length of the header itself: where the body begins."""
        return header_byte_size(self.content_type)

    def pack(self) -> bytes:
        kind = self.content_type.encode("ascii")
        fixed = _FIXED.pack(_MAGIC, _FORMAT, self.key, self.length, self.crc, len(kind))
        return fixed + kind + _CHECK.pack(zlib.crc32(fixed + kind))


def header_byte_size(content_type: str) -> int:
    return _FIXED.size + len(content_type) + _CHECK.size


def parse_header(data: bytes) -> Header:
    """The header that `data` begins with. Raises CorruptEntryError."""
    if len(data) < _FIXED.size:
        raise CorruptEntryError("the entry ends within its header")
    magic, format_version, key, length, crc, kind_length = _FIXED.unpack_from(data)
    if magic != _MAGIC or format_version != _FORMAT:
        raise CorruptEntryError("the file is no entry of this cache")
    end = _FIXED.size + kind_length
    if len(data) < end + _CHECK.size:
        raise CorruptEntryError("the entry ends within its header")
    if _CHECK.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        raise CorruptEntryError("the checksum of the header does not match")
    return Header(key, data[_FIXED.size : end].decode("ascii"), length, crc)


def check_header(descriptor: int, digest: str, byte_size: int) -> None:
    """Check all but the body. Raises CorruptEntryError, or OSError."""
    header = parse_header(os.pread(descriptor, HEADER_MAX_BYTES, 0))
    _check_identity(header, digest, byte_size)


def open_entry(descriptor: int, key: DerivativeKey) -> Entry:
    """The verified entry behind a descriptor, which this takes over unless it raises.

    Raises CorruptEntryError, or OSError.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise CorruptEntryError("the entry is no regular file")
    whole = status.st_size <= HEADER_MAX_BYTES + SMALL_BODY_BYTES
    data = os.pread(descriptor, status.st_size if whole else HEADER_MAX_BYTES, 0)
    header = parse_header(data)
    _check_identity(header, key.digest, status.st_size)
    if not whole:
        _check_crc(header, _crc_of(descriptor, header))
        return Entry(header.content_type, header.length, FileChunks(descriptor, header))
    body = data[header.byte_size :]
    _check_crc(header, zlib.crc32(body))
    os.close(descriptor)
    return Entry(header.content_type, header.length, iter((body,)))


def _check_identity(header: Header, digest: str, byte_size: int) -> None:
    if header.key != bytes.fromhex(digest):
        raise CorruptEntryError("the entry was written under another key")
    if header.byte_size + header.length != byte_size:
        raise CorruptEntryError(f"the entry has {byte_size} bytes instead of {header.byte_size + header.length}")


def _check_crc(header: Header, crc: int) -> None:
    if header.crc != crc:
        raise CorruptEntryError("the checksum of the body does not match")


def _crc_of(descriptor: int, header: Header) -> int:
    crc, position = 0, header.byte_size
    while chunk := os.pread(descriptor, CHUNK_BYTES, position):
        crc = zlib.crc32(chunk, crc)
        position += len(chunk)
    return crc


class FileChunks(Iterator[bytes]):
    """The body of a verified file, which stays readable when its name is removed meanwhile."""

    def __init__(self, descriptor: int, header: Header) -> None:
        self._descriptor: int | None = descriptor
        self._position = header.byte_size
        self._end = header.byte_size + header.length

    def __next__(self) -> bytes:
        if self._descriptor is None:
            raise StopIteration
        wanted = min(CHUNK_BYTES, self._end - self._position)
        chunk = os.pread(self._descriptor, wanted, self._position) if wanted else b""
        self._position += len(chunk)
        if chunk:
            return chunk
        self.close()
        if wanted:
            raise CorruptEntryError("the entry was cut while it was read")
        raise StopIteration

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()
