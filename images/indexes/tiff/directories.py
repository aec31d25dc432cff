"""The directories of a TIFF file and the values of their tags (TIFF 6.0 §2; BigTIFF, in both byte orders)."""

import struct
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from images.indexes.errors import DamagedError, TooLargeError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.tiff import tags

_UNSIGNED = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""BYTE, SHORT, LONG, IFD, LONG8, IFD8: what offsets, sizes and codes may be written as."""
_HEADER_BYTES = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """How numbers are written: `byte_order` is "little" or "big"; a BigTIFF has offsets of eight bytes."""

    byte_order: str
    is_big_tiff: bool

    @property
    def offset_bytes(self) -> int:
        return 8 if self.is_big_tiff else 4

    @property
    def entry_bytes(self) -> int:
        return 20 if self.is_big_tiff else 12

    @property
    def entry_format(self) -> str:
        """Tag, type, count and value or offset of an entry, for `struct`."""
        order = ">" if self.byte_order == "big" else "<"
        return order + ("HHQ8s" if self.is_big_tiff else "HHI4s")

    def integer(self, data: bytes) -> int:
        return int.from_bytes(data, "big" if self.byte_order == "big" else "little")


@dataclass(frozen=True, slots=True)
class Field:
    """One tag's entry: `offset` is where its values begin, in the entry itself where they fit."""

    type: int
    count: int
    offset: int

    @property
    def byte_size(self) -> int:
        return self.count * tags.TYPE_BYTES.get(self.type, 1)


@dataclass(frozen=True, slots=True)
class Directory:
    """One IFD: `fields` by tag number, only those known here, `next_offset` 0 where it is the last of its chain.

    `page` is its place in the chain of pages, or that of the page whose SubIFD number `subifd` it is, all from 0.
    """

    page: int
    subifd: int | None
    fields: Mapping[int, Field]
    next_offset: int

    @property
    def name(self) -> str:
        return _name(self.page, self.subifd)


def parse_header(window: Window) -> Parser[tuple[Layout, int]]:
    """The layout, and the offset of the first directory."""
    head = yield from window.fetch(0, 8, "The TIFF header")
    layout = Layout("little" if head[:2] == b"II" else "big", layout_is_big(head))
    if not layout.is_big_tiff:
        return layout, layout.integer(head[4:8])
    head = yield from window.fetch(0, _HEADER_BYTES, "The BigTIFF header")
    if layout.integer(head[4:6]) != layout.offset_bytes or head[6:8] != b"\x00\x00":
        raise DamagedError("The BigTIFF header names an offset size other than 8.")
    return layout, layout.integer(head[8:16])


def layout_is_big(head: bytes) -> bool:
    """Raises DamagedError where the first four bytes are not those of a TIFF."""
    if head[:4] in {b"II*\x00", b"MM\x00*"}:
        return False
    if head[:4] in {b"II+\x00", b"MM\x00+"}:
        return True
    raise DamagedError("The TIFF header is damaged.")


def parse_chain(window: Window, layout: Layout, first: int, limits: SourceLimits) -> Parser[tuple[Directory, ...]]:
    """The directories of the pages, in their order. Raises DamagedError where the chain leads back into itself."""
    directories: list[Directory] = []
    visited: set[int] = set()
    offset = first
    while offset:
        if offset in visited:
            raise DamagedError(f"The list of pages runs in a circle after page {len(directories)}.")
        if len(directories) >= limits.max_ifds:
            raise TooLargeError(f"The file has more than {limits.max_ifds:,} pages.")
        visited.add(offset)
        directory = yield from parse_directory(window, layout, offset, limits, len(directories))
        directories.append(directory)
        offset = directory.next_offset
    if not directories:
        raise DamagedError("The TIFF file has no page.")
    return tuple(directories)


def parse_directory(
    window: Window, layout: Layout, offset: int, limits: SourceLimits, page: int, subifd: int | None = None
) -> Parser[Directory]:
    """One directory. Where a tag comes twice the first counts, as in libtiff."""
    what = f"The directory of {_name(page, subifd)}"
    count_bytes = 8 if layout.is_big_tiff else 2
    count = layout.integer((yield from window.fetch(offset, count_bytes, what)))
    if not 0 < count <= limits.max_ifd_entries:
        raise DamagedError(f"{what} claims to have {count:,} tags.")
    start = offset + count_bytes
    data = yield from window.fetch(start, count * layout.entry_bytes + layout.offset_bytes, what)
    entries = data[: count * layout.entry_bytes]
    fields: dict[int, Field] = {}
    for number, (tag, type_, values, value) in enumerate(struct.iter_unpack(layout.entry_format, entries)):
        if tag in tags.KNOWN and tag not in fields:
            value_offset = start + (number + 1) * layout.entry_bytes - layout.offset_bytes
            fields[tag] = _to_field(layout, type_, values, value, value_offset)
    return Directory(page, subifd, fields, layout.integer(data[-layout.offset_bytes :]))


def _name(page: int, subifd: int | None) -> str:
    """For people, who count from 1."""
    return f"page {page + 1}" if subifd is None else f"smaller version {subifd + 1} of page {page + 1}"


def _to_field(layout: Layout, type_: int, count: int, value: bytes, value_offset: int) -> Field:
    inline = Field(type_, count, value_offset)
    return inline if inline.byte_size <= layout.offset_bytes else Field(type_, count, layout.integer(value))


def read_integers(
    window: Window, layout: Layout, directory: Directory, tag: int, max_count: int
) -> Parser["array[int]"]:
    """The first `max_count` unsigned values of a tag; none where there is no such tag.

    Raises DamagedError where the values are of a wrong type, or lie beyond the end of the file.
    """
    field = directory.fields.get(tag)
    if field is None:
        return array("Q")
    if field.type not in _UNSIGNED:
        raise DamagedError(
            f"Tag {tag} of {directory.name} is written in type {field.type}, which can't hold its values."
        )
    data = yield from _fetch_values(window, directory, tag, min(field.count, max_count))
    values = array(_UNSIGNED[field.type])
    values.frombytes(data)
    if layout.byte_order != sys.byteorder:
        values.byteswap()
    return values


def read_integer(
    window: Window, layout: Layout, directory: Directory, tag: int, default: int | None = None
) -> Parser[int | None]:
    """The first value of a tag, or `default` where there is none."""
    values = yield from read_integers(window, layout, directory, tag, 1)
    return values[0] if values else default


def read_rational(window: Window, layout: Layout, directory: Directory, tag: int) -> Parser[float | None]:
    """A resolution; for people to read, never for geometry."""
    field = directory.fields.get(tag)
    if field is None or field.type != tags.RATIONAL or field.count < 1:
        return None
    data = yield from _fetch_values(window, directory, tag, 1)
    numerator, denominator = layout.integer(data[:4]), layout.integer(data[4:])
    return round(numerator / denominator, 4) if denominator else None


def read_text(window: Window, directory: Directory, tag: int, max_bytes: int = 200) -> Parser[str]:
    """The beginning of a text, without its control characters."""
    field = directory.fields.get(tag)
    if field is None or tags.TYPE_BYTES.get(field.type) != 1:
        return ""
    data = yield from _fetch_values(window, directory, tag, min(field.count, max_bytes))
    text = data.split(b"\x00", 1)[0].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text).strip()


def read_bytes(window: Window, directory: Directory, tag: int) -> Parser[bytes]:
    """All values of a tag as they are written; nothing where there is none, or where they are no bytes.

    Raises DamagedError where the values lie beyond the end of the file.
    """
    field = directory.fields.get(tag)
    if field is None or tags.TYPE_BYTES.get(field.type) != 1:
        return b""
    return (yield from _fetch_values(window, directory, tag, field.count))


def read_raw(window: Window, directory: Directory, tag: int) -> Parser[bytes]:
    """All values of a tag that is there, as they are written, of whatever type they are.

    Raises DamagedError where the values lie beyond the end of the file.
    """
    return (yield from _fetch_values(window, directory, tag, directory.fields[tag].count))


def _fetch_values(window: Window, directory: Directory, tag: int, count: int) -> Parser[bytes]:
    """The bytes of the first `count` values, of which all must lie in the file."""
    field = directory.fields[tag]
    if field.offset + field.byte_size > window.byte_size:
        raise DamagedError(
            f"The values of tag {tag} of {directory.name} lie beyond the end of the file: "
            f"it was probably cut off during copying."
        )
    length = count * tags.TYPE_BYTES[field.type]
    return (yield from window.fetch(field.offset, length, f"Tag {tag} of {directory.name}"))
