"""The tags by which a decoder understands the tiles or strips of a level, kept as they are written in the file."""

import struct
from dataclasses import dataclass

from images.indexes.parsing import Parser, Window
from images.indexes.tiff import tags
from images.indexes.tiff.directories import Layout, read_raw
from images.indexes.tiff.page import Page

COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
"""None, CCITT, LZW, JPEG, Deflate (both numbers), PackBits: each piece is decoded by itself, from these tags alone."""

_TAGS = (
    tags.BITS_PER_SAMPLE,
    tags.COMPRESSION,
    tags.PHOTOMETRIC,
    tags.FILL_ORDER,
    tags.SAMPLES_PER_PIXEL,
    tags.PLANAR_CONFIGURATION,
    tags.T4_OPTIONS,
    tags.T6_OPTIONS,
    tags.PREDICTOR,
    tags.COLOR_MAP,
    tags.INK_SET,
    tags.NUMBER_OF_INKS,
    tags.EXTRA_SAMPLES,
    tags.SAMPLE_FORMAT,
    tags.YCBCR_COEFFICIENTS,
    tags.YCBCR_SUBSAMPLING,
    tags.YCBCR_POSITIONING,
    tags.REFERENCE_BLACK_WHITE,
    tags.ICC_PROFILE,
)

_MAX_VALUE_BYTES = 64 * 1024
"""Of one tag: an ICC profile may be long, and goes along with every region."""

_ORDERS = {b"M": "big", b"I": "little"}
_ENTRY = struct.Struct("<HHII")


@dataclass(frozen=True, slots=True)
class CodingTag:
    """`type`, `count` and `values` as in the file, whose byte order `values` has."""

    tag: int
    type: int
    count: int
    values: bytes


@dataclass(frozen=True, slots=True)
class Coding:
    """What a file needs to say of a level so that its pieces mean the same in it."""

    byte_order: str
    tags: tuple[CodingTag, ...]

    @property
    def byte_size(self) -> int:
        """What it takes in memory, nearly."""
        return 200 + sum(200 + len(one.values) for one in self.tags)

    def integers(self, tag: int) -> tuple[int, ...]:
        """The values of a tag; none where there is no such tag, -1 where they are no SHORTs."""
        found = next((one for one in self.tags if one.tag == tag), None)
        if found is None:
            return ()
        if found.type != tags.SHORT:
            return (-1,)
        order = ">" if self.byte_order == "big" else "<"
        return struct.unpack(f"{order}{found.count}H", found.values)

    def to_bytes(self) -> bytes:
        entries = (_ENTRY.pack(one.tag, one.type, one.count, len(one.values)) + one.values for one in self.tags)
        return (b"M" if self.byte_order == "big" else b"I") + b"".join(entries)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Coding":
        """Raises ValueError or struct.error for what `to_bytes` can't have made."""
        found, position = [], 1
        if data[:1] not in _ORDERS:
            raise ValueError("the order of bytes is not known")
        while position < len(data):
            tag, type_, count, length = _ENTRY.unpack_from(data, position)
            position += _ENTRY.size + length
            values = data[position - length : position]
            if len(values) != length or length != count * tags.TYPE_BYTES.get(type_, 0):
                raise ValueError("a tag is not all there")
            found.append(CodingTag(tag, type_, count, values))
        return cls(_ORDERS[data[:1]], tuple(found))


def parse_coding(window: Window, layout: Layout, page: Page) -> Parser[Coding | None]:
    """None where the pieces of the page need more than these tags, too long ones, or some that are not in the file."""
    is_separate = page.planar_configuration == tags.PLANAR_SEPARATE and page.samples_per_pixel > 1
    if page.compression not in COMPRESSIONS or is_separate:
        return None
    found: tuple[CodingTag, ...] = ()
    for tag in _TAGS:
        field = page.directory.fields.get(tag)
        if field is None:
            continue
        is_there = field.offset + field.byte_size <= window.byte_size
        if field.type not in tags.CLASSIC_TYPES or field.byte_size > _MAX_VALUE_BYTES or not is_there:
            return None
        values = yield from read_raw(window, page.directory, tag)
        found += (CodingTag(tag, field.type, field.count, values),)
    return Coding(layout.byte_order, found)
