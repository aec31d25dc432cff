"""Writes TIFF and BigTIFF files byte by byte, right ones and wrong ones."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, IFD, LONG8 = 1, 2, 3, 4, 5, 7, 13, 16
_CODES = {BYTE: "B", SHORT: "H", LONG: "I", IFD: "I", LONG8: "Q"}


@dataclass(frozen=True)
class Tag:
    type: int
    values: Sequence[int] | bytes
    count: int | None = None
    """Claims this many values instead of those that are there."""


@dataclass
class PageSpec:
    """A page; `tags` are added to, or replace, those that follow from the rest. None as a tag leaves it out."""

    width: int = 64
    height: int = 48
    tile: tuple[int, int] | None = (16, 16)
    samples: int = 3
    bits: int = 8
    photometric: int = 2
    compression: int = 1
    subfile_type: int = 0
    tags: Mapping[int, Tag | None] = field(default_factory=dict)
    subifds: Sequence["PageSpec"] = ()
    next_offset: int | None = None
    """Overrides where the next page is said to be."""


def write_tiff(*pages: PageSpec, order: str = "<", big: bool = False) -> bytes:
    return _Writer(order, big).write(pages)


class _Writer:
    def __init__(self, order: str, big: bool) -> None:
        self.order, self.big = order, big
        self.offset_code = "Q" if big else "I"
        mark = b"II" if order == "<" else b"MM"
        self.data = bytearray(mark + (self.pack("HHHQ", 43, 8, 0, 0) if big else self.pack("HI", 42, 0)))
        self.first_at = 8 if big else 4

    def pack(self, codes: str, *values: int) -> bytes:
        return struct.pack(self.order + codes, *values)

    def write(self, pages: Sequence[PageSpec]) -> bytes:
        link = self.first_at
        for page in pages:
            offset, link_at = self.directory(page)
            struct.pack_into(self.order + self.offset_code, self.data, link, offset)
            link = link_at
        return bytes(self.data)

    def directory(self, page: PageSpec) -> tuple[int, int]:
        """Where the directory is, and where its link to the next one is."""
        tags = {**self.tags_of(page), **page.tags}
        entries = {number: self.entry(number, tag) for number, tag in sorted(tags.items()) if tag is not None}
        offset = len(self.data)
        self.data += self.pack("Q" if self.big else "H", len(entries)) + b"".join(entries.values())
        link_at = len(self.data)
        self.data += self.pack(self.offset_code, page.next_offset or 0)
        return offset, link_at

    def entry(self, number: int, tag: Tag) -> bytes:
        values = self.values(tag)
        size = 8 if self.big else 4
        count = tag.count if tag.count is not None else len(tag.values) // (2 if tag.type == RATIONAL else 1)
        if len(values) > size:
            self.data += b"\x00" * (len(self.data) % 2)
            values, at = self.pack(self.offset_code, len(self.data)), values
            self.data += at
        return self.pack("HH" + self.offset_code, number, tag.type, count) + values.ljust(size, b"\x00")

    def values(self, tag: Tag) -> bytes:
        if isinstance(tag.values, bytes):
            return tag.values
        code = "I" if tag.type == RATIONAL else _CODES[tag.type]
        return self.pack(f"{len(tag.values)}{code}", *tag.values)

    def tags_of(self, page: PageSpec) -> dict[int, Tag]:
        tags = {
            254: Tag(LONG, [page.subfile_type]),
            256: Tag(LONG, [page.width]),
            257: Tag(LONG, [page.height]),
            258: Tag(SHORT, [page.bits] * page.samples),
            259: Tag(SHORT, [page.compression]),
            262: Tag(SHORT, [page.photometric]),
            277: Tag(SHORT, [page.samples]),
        }
        if page.tile:
            across, down = -(-page.width // page.tile[0]), -(-page.height // page.tile[1])
            tags |= {322: Tag(SHORT, [page.tile[0]]), 323: Tag(SHORT, [page.tile[1]])}
            tags |= self.pieces(across * down, 324, 325)
        else:
            tags |= {278: Tag(LONG, [16])} | self.pieces(-(-page.height // 16), 273, 279)
        if page.subifds:
            offsets = [self.directory(subifd)[0] for subifd in page.subifds]
            tags[330] = Tag(LONG8 if self.big else IFD, offsets)
        return tags

    def pieces(self, count: int, offsets_tag: int, counts_tag: int) -> dict[int, Tag]:
        start = len(self.data)
        self.data += b"\x55" * (4 * count)
        wide = LONG8 if self.big else LONG
        offsets = [start + 4 * number for number in range(count)]
        return {offsets_tag: Tag(wide, offsets), counts_tag: Tag(LONG, [4] * count)}


def pyramid(width: int, height: int, count: int, **values: object) -> list[PageSpec]:
    """Pages of which each halves the one before, rounding down, and says that it is reduced."""
    pages = [PageSpec(width, height, **values)]  # type: ignore[arg-type]
    for exponent in range(1, count):
        smaller = PageSpec(width >> exponent, height >> exponent, subfile_type=1, **values)  # type: ignore[arg-type]
        pages.append(smaller)
    return pages
