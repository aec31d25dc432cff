"""What headers list about packets: their lengths (PLT) and, taken out of the data, their headers (PPM, PPT)."""

from array import array
from collections.abc import Sequence

from images.indexes.errors import DamagedError

_LONGEST_PACKET = 0xFFFFFFFF


def parse_lengths(segments: Sequence[bytes]) -> "array[int]":
    """Packet lengths in bytes of one tile-part, from its PLT segments (T.800 A.7.3).

    Raises DamagedError where a length is cut off or can't be.
    """
    data = b"".join(segment[1:] for segment in sorted(segments, key=_number))
    lengths = array("I")
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            if not 0 < value <= _LONGEST_PACKET:
                raise DamagedError("The list of packet lengths holds one that can't be.")
            lengths.append(value)
            value = 0
        elif value > _LONGEST_PACKET:
            raise DamagedError("The list of packet lengths holds one that can't be.")
    if data and data[-1] >= 0x80:
        raise DamagedError("The list of packet lengths is cut off.")
    return lengths


def join_tile_headers(segments: Sequence[bytes]) -> bytes:
    """The packet headers of a tile from the PPT segments of its tile-parts (T.800 A.7.5)."""
    return b"".join(segment[1:] for segment in sorted(segments, key=_number))


def split_main_headers(segments: Sequence[bytes]) -> list[bytes]:
    """The packet headers of each tile-part, in the order of the codestream, from PPM segments (T.800 A.7.4)."""
    data = b"".join(segment[1:] for segment in sorted(segments, key=_number))
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + length > len(data):
            raise DamagedError("The packet headers of the JPEG 2000 image are not all there.")
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return parts


def _number(segment: bytes) -> int:
    return segment[0] if segment else 0
