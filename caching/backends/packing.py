"""An entry as one piece of bytes, for places that keep pieces: the form of `caching.backends.entry_file`."""

import zlib

from caching.backends.entry_file import Header, parse_header
from caching.errors import CorruptEntryError


def pack(digest: str, content_type: str, body: bytes) -> bytes:
    header = Header(bytes.fromhex(digest), content_type, len(body), zlib.crc32(body))
    return header.pack() + body


def unpack(data: bytes, digest: str) -> tuple[str, bytes]:
    """Content type and body. Raises CorruptEntryError for anything but what was packed under this digest."""
    header = parse_header(data)
    body = data[header.byte_size :]
    if header.key != bytes.fromhex(digest):
        raise CorruptEntryError("the entry was written under another key")
    if header.length != len(body):
        raise CorruptEntryError(f"the entry has {len(body)} bytes instead of {header.length}")
    if header.crc != zlib.crc32(body):
        raise CorruptEntryError("the checksum of the body does not match")
    return header.content_type, body
