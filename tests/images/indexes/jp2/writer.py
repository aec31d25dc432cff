"""Writes JP2 files and codestreams byte by byte. Their image data can't be decoded; their structure is right."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"


def box(type_: bytes, contents: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(contents) if length is None else length, type_) + contents


def long_box(type_: bytes, contents: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, type_, 16 + len(contents)) + contents


def segment(marker: int, contents: bytes) -> bytes:
    return struct.pack(">HH", marker, 2 + len(contents)) + contents


def block_style(levels: int = 2, block: tuple[int, int] = (4, 4), flags: int = 0, transform: int = 1) -> bytes:
    return bytes([levels, *block, flags, transform])


def cod(
    style: bytes = block_style(), progression: int = 2, layers: int = 1, flags: int = 0, precincts: bytes = b""
) -> bytes:
    return segment(0xFF52, struct.pack(">BBHB", flags | bool(precincts), progression, layers, 1) + style + precincts)


def coc(component: int, style: bytes = block_style()) -> bytes:
    return segment(0xFF53, bytes([component, 0]) + style)


def tile_part(tile: int, markers: bytes = b"", data: bytes = b"\x00" * 64, length: int | None = None) -> bytes:
    contents = markers + b"\xff\x93" + data
    psot = 12 + len(contents) if length is None else length
    return segment(0xFF90, struct.pack(">HIBB", tile, psot, 0, 1)) + contents


@dataclass
class Codestream:
    """`components`: depth, dx, dy of each; a depth of 128 and more is signed."""

    right: int = 64
    bottom: int = 48
    left: int = 0
    top: int = 0
    tile: tuple[int, int] | None = None
    tile_origin: tuple[int, int] = (0, 0)
    components: Sequence[tuple[int, int, int]] = ((7, 1, 1), (7, 1, 1), (7, 1, 1))
    profile: int = 0
    count: int | None = None
    cod: bytes = cod()
    qcd: bytes = segment(0xFF5C, b"\x40" + b"\x40" * 7)
    more: bytes = b""
    tile_parts: Sequence[bytes] | None = None
    end: bytes = b"\xff\xd9"
    siz_first: bytes = field(default=b"")

    def siz(self) -> bytes:
        tile = self.tile or (self.right, self.bottom)
        canvas = (self.right, self.bottom, self.left, self.top, *tile, *self.tile_origin)
        count = len(self.components) if self.count is None else self.count
        head = struct.pack(">H8IH", self.profile, *canvas, count)
        return segment(0xFF51, head + b"".join(bytes(component) for component in self.components))

    def parts(self) -> Sequence[bytes]:
        if self.tile_parts is not None:
            return self.tile_parts
        if self.tile is None:
            return [tile_part(0)]
        across = -(-(self.right - self.tile_origin[0]) // self.tile[0])
        down = -(-(self.bottom - self.tile_origin[1]) // self.tile[1])
        return [tile_part(number) for number in range(across * down)]

    def write(self) -> bytes:
        head = b"\xff\x4f" + self.siz_first + self.siz() + self.cod + self.qcd + self.more
        return head + b"".join(self.parts()) + self.end


def ihdr(width: int = 64, height: int = 48, components: int = 3, bits: int = 7) -> bytes:
    return box(b"ihdr", struct.pack(">IIHBBBB", height, width, components, bits, 7, 0, 0))


def enumerated(number: int) -> bytes:
    return box(b"colr", b"\x01\x00\x00" + struct.pack(">I", number))


def icc(space: bytes = b"RGB ", method: int = 2) -> bytes:
    return box(b"colr", bytes([method, 0, 0]) + b"\x00" * 16 + space + b"\x00" * 108)


def cdef(*rows: tuple[int, int, int]) -> bytes:
    return box(b"cdef", struct.pack(">H", len(rows)) + b"".join(struct.pack(">HHH", *row) for row in rows))


def pclr(entries: int = 4, columns: int = 3) -> bytes:
    return box(b"pclr", struct.pack(">HB", entries, columns) + b"\x07" * columns + b"\x00" * (entries * columns))


def cmap(*rows: tuple[int, int, int]) -> bytes:
    return box(b"cmap", b"".join(struct.pack(">HBB", *row) for row in rows))


def write_jp2(
    header: bytes | None = None, codestream: bytes | None = None, *, brand: bytes = b"jp2 ", before: bytes = b""
) -> bytes:
    header = ihdr() + enumerated(16) if header is None else header
    codestream = Codestream().write() if codestream is None else codestream
    ftyp = box(b"ftyp", brand + b"\x00\x00\x00\x00jp2 ")
    return SIGNATURE + ftyp + before + box(b"jp2h", header) + box(b"jp2c", codestream)
