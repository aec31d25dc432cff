"""What a JPEG 2000 decoder has to know before it decodes: where the codestream is, its canvas, and how
its components become colours. Pure but for the reads it asks of its source.

Boxes: ISO/IEC 15444-1 (T.800) Annex I. Codestream headers: Annex A.
"""

import struct
from dataclasses import dataclass

from images.decoders.errors import DamagedSourceError
from images.decoders.source import SourceData

_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_CODESTREAM_START = b"\xff\x4f\xff\x51"
_MAX_BOXES = 1_000
_MAX_HEADER_BYTES = 4_000_000
"""Of the jp2h box; what makes it long is an ICC profile."""

_COD, _PPM, _SOT = 0xFF52, 0xFF60, 0xFF90
_HAS_CAPABILITIES = 0x4000
_HIGH_THROUGHPUT_BLOCKS = 0x40


@dataclass(frozen=True, slots=True)
class Component:
    """`precision` in bits; `dx`, `dy`: reference grid pixels per sample."""

    precision: int
    is_signed: bool
    dx: int
    dy: int


@dataclass(frozen=True, slots=True)
class Codestream:
    """`offset` and `length` in bytes; the image covers [x0, x1) × [y0, y1) of the reference grid.

    Tiles are `tile_width` × `tile_height` and begin at `tile_x0`, `tile_y0`.
    """

    offset: int
    length: int
    x0: int
    y0: int
    x1: int
    y1: int
    tile_width: int
    tile_height: int
    tile_x0: int
    tile_y0: int
    components: tuple[Component, ...]
    is_high_throughput: bool
    has_packed_headers: bool

    @property
    def is_one_tile(self) -> bool:
        return self.tile_x0 + self.tile_width >= self.x1 and self.tile_y0 + self.tile_height >= self.y1

    @property
    def has_regions(self) -> bool:
        """Whether OpenJPEG (2.5.4) decodes a region right: else it gives wrong pixels, or none."""
        return not (self.is_high_throughput or self.has_packed_headers)


@dataclass(frozen=True, slots=True)
class Palette:
    """`rows` of one value per column; `precisions` in bits, of each column."""

    rows: tuple[tuple[int, ...], ...]
    precisions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A channel is a component itself, or a palette column looked up with it."""

    component: int
    column: int | None


@dataclass(frozen=True, slots=True)
class ChannelDefinition:
    """`kind`: 0 colour, 1 opacity, 2 premultiplied opacity; `association`: 0 whole image, else the
    number of the colour (I.5.3.6)."""

    channel: int
    kind: int
    association: int


@dataclass(frozen=True, slots=True)
class Colour:
    """Either an enumerated colour space with its parameters, or an ICC profile, or neither."""

    enumerated: int | None = None
    parameters: bytes = b""
    profile: bytes | None = None


@dataclass(frozen=True, slots=True)
class Header:
    codestream: Codestream
    colour: Colour = Colour()
    palette: Palette | None = None
    mappings: tuple[Mapping, ...] = ()
    definitions: tuple[ChannelDefinition, ...] = ()


def read_header(source: SourceData) -> Header:
    """Raises DamagedSourceError where the boxes or the main header make no sense."""
    try:
        return _read_header(source)
    except (struct.error, IndexError) as error:
        raise DamagedSourceError("The file is damaged: a JPEG 2000 header is cut short.") from error


def _read_header(source: SourceData) -> Header:
    if source.read_at(0, 4) == _CODESTREAM_START:
        return Header(_read_codestream(source, 0, source.length))
    if source.read_at(0, 12) != _SIGNATURE:
        raise DamagedSourceError("The file is not a JPEG 2000 file.", "not_an_image")
    boxes: dict[bytes, bytes] = {}
    position = 0
    for _ in range(_MAX_BOXES):
        kind, start, stop = _read_box(source, position)
        if kind == b"jp2h":
            boxes = _children(source.read_at(start, min(stop - start, _MAX_HEADER_BYTES)))
        elif kind == b"jp2c":
            return _header(_read_codestream(source, start, stop - start), boxes)
        position = stop
    raise DamagedSourceError("The file is damaged: there is no codestream among its boxes.")


def _read_box(source: SourceData, position: int) -> tuple[bytes, int, int]:
    """Type, start and end of the contents of the box at `position`."""
    head = source.read_at(position, 16)
    if len(head) < 8:
        raise DamagedSourceError("The file is damaged: there is no codestream among its boxes.")
    length, kind = struct.unpack_from(">I4s", head)
    start = position + 8
    if length == 1:
        (length,) = struct.unpack_from(">Q", head, 8)
        start = position + 16
    stop = source.length if length == 0 else position + length
    if stop < start:
        raise DamagedSourceError("The file is damaged: a box is shorter than its own header.")
    return kind, start, min(stop, source.length)


def _children(content: bytes) -> dict[bytes, bytes]:
    """The boxes inside jp2h. Of several colour specifications the first that can be used counts."""
    boxes: dict[bytes, bytes] = {}
    position = 0
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        stop = len(content) if length == 0 else position + length
        if stop < position + 8:
            break
        body = content[position + 8 : stop]
        if kind != b"colr" or (b"colr" not in boxes and body[:1] in {b"\x01", b"\x02", b"\x03"}):
            boxes[kind] = body
        position = stop
    return boxes


def _header(codestream: Codestream, boxes: dict[bytes, bytes]) -> Header:
    palette = _palette(boxes[b"pclr"]) if b"pclr" in boxes else None
    return Header(
        codestream,
        _colour(boxes.get(b"colr", b"")),
        palette,
        _mappings(boxes.get(b"cmap", b"")) if palette else (),
        _definitions(boxes.get(b"cdef", b"")),
    )


def _colour(body: bytes) -> Colour:
    """I.5.3.3: method 1 names a colour space, 2 and 3 carry an ICC profile."""
    if not body:
        return Colour()
    if body[0] == 1:
        return Colour(enumerated=struct.unpack_from(">I", body, 3)[0], parameters=body[7:])
    return Colour(profile=body[3:])


def _palette(body: bytes) -> Palette:
    """I.5.3.4."""
    entries, columns = struct.unpack_from(">HB", body)
    precisions = tuple((value & 0x7F) + 1 for value in body[3 : 3 + columns])
    widths = [(precision + 7) // 8 for precision in precisions]
    position = 3 + columns
    if position + entries * sum(widths) > len(body):
        raise DamagedSourceError("The file is damaged: its palette is cut short.")
    rows = []
    for _ in range(entries):
        row = []
        for width in widths:
            row.append(int.from_bytes(body[position : position + width], "big"))
            position += width
        rows.append(tuple(row))
    return Palette(tuple(rows), precisions)


def _mappings(body: bytes) -> tuple[Mapping, ...]:
    """I.5.3.5."""
    entries = struct.iter_unpack(">HBB", body[: len(body) // 4 * 4])
    return tuple(Mapping(component, column if kind == 1 else None) for component, kind, column in entries)


def _definitions(body: bytes) -> tuple[ChannelDefinition, ...]:
    """I.5.3.6."""
    usable = body[2 : 2 + (len(body) - 2) // 6 * 6] if len(body) > 2 else b""
    return tuple(ChannelDefinition(*entry) for entry in struct.iter_unpack(">HHH", usable))


def _read_codestream(source: SourceData, offset: int, length: int) -> Codestream:
    """SIZ (A.5.1), and what OpenJPEG cannot decode in part: T.814 code-blocks, packed packet headers."""
    head = source.read_at(offset, min(length, 65_536))
    if head[:4] != _CODESTREAM_START:
        raise DamagedSourceError("The file is damaged: its codestream does not begin with SOC, SIZ.")
    capabilities, x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0, count = struct.unpack_from(
        ">H8IH", head, 6
    )
    components = []
    for index in range(count):
        precision, dx, dy = struct.unpack_from(">BBB", head, 42 + 3 * index)
        components.append(Component((precision & 0x7F) + 1, precision > 0x7F, dx, dy))
    if not components or x1 <= x0 or y1 <= y0 or any(not c.dx or not c.dy for c in components):
        raise DamagedSourceError("The file is damaged: its SIZ marker describes no image.")
    high_throughput, packed = _peculiarities(head)
    high_throughput |= bool(capabilities & _HAS_CAPABILITIES)
    canvas = (x0, y0, x1, y1, tile_width, tile_height, tile_x0, tile_y0)
    return Codestream(offset, length, *canvas, tuple(components), high_throughput, packed)


def _peculiarities(head: bytes) -> tuple[bool, bool]:
    """Whether code-blocks are high throughput ones, and whether packet headers are packed into PPM (A.7.4)."""
    high_throughput = packed = False
    position = 2
    while position + 4 <= len(head):
        marker, length = struct.unpack_from(">HH", head, position)
        if marker == _SOT or length < 2:
            break
        body = head[position + 4 : position + 2 + length]
        if marker == _COD and len(body) > 8:
            high_throughput = bool(body[8] & _HIGH_THROUGHPUT_BLOCKS)
        packed |= marker == _PPM
        position += 2 + length
    return high_throughput, packed
