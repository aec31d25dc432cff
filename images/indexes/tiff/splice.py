"""A JPEG file from the tables and one tile of a TIFF (TIFF Technical Note 2; ITU-T T.81): no pixel is touched.

Whatever is not exactly as a decoder wants it is refused with an IndexingError: then the tile is decoded instead.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache

from images.iiif.geometry import Size
from images.indexes.errors import DamagedError, IndexingError, NotSupportedError

SPLICE_REVISION = 1
"""Raised whenever the same tile gives other bytes than before, so that older copies of them are not taken for these."""

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_BASELINE, _EXTENDED, _DHT, _SOS, _DQT, _DRI = 0xC0, 0xC1, 0xC4, 0xDA, 0xDB, 0xDD
_COMMENT = 0xFE
_COMMON_HEAD_BYTES = 2048
"""Of a tile, up to its data: frame and scan take 33, all tables of an image 600."""

_APPLICATION = range(0xE0, 0xF0)
_ADOBE_RGB = b"\xff\xee" + struct.pack(">H5sHHHB", 14, b"Adobe", 100, 0, 0, 0)
"""APP14 with transform 0: the components are what they are, red, green and blue."""

_BLOCK = 8
_AC = 0x10
"""Huffman tables are named by class (0x00 DC, 0x10 AC) and number, as in DHT."""

_MOST_DC_CATEGORY = 11
"""Of samples of 8 bits (T.81, F.1.2.1)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the stored JPEG has to be, and what is to be shown of it.

    `stored`: pixels of the piece; `shown`: of its upper left corner, the rest is padding. `components`: 1 or 3;
    `is_rgb`: they are red, green and blue instead of luminance and chrominance. `dots_per_inch` is written where the
    format has a place for it.
    """

    stored: Size
    shown: Size
    components: int
    is_rgb: bool = False
    dots_per_inch: int = 72


@dataclass(frozen=True, slots=True)
class _Tables:
    """Segments that define tables, as they stand, and the tables that they define."""

    segments: bytes = b""
    quantisation: frozenset[int] = frozenset()
    huffman: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Component:
    identifier: int
    across: int
    down: int
    quantisation: int


@dataclass(frozen=True, slots=True)
class _Head:
    """A stream up to its entropy-coded data, which begin at `stop`. `frame` is the SOF segment, None in tables."""

    tables: _Tables
    frame: bytes | None
    scan: bytes
    stop: int


def splice(tables: bytes, tile: bytes, frame: Frame) -> bytes:
    """The JPEG file that shows what libtiff would decode of `tile` under the JPEGTables `tables`, which may be empty.

    Raises DamagedError, or NotSupportedError for what is right but can't be shown without being decoded.
    """
    stop = _stop_of_head(tile)
    head = tile[:stop]
    start = _start_once(tables, head, frame) if stop <= _COMMON_HEAD_BYTES else _start(tables, head, frame)
    if not tile.endswith(_EOI):
        raise DamagedError("The tile does not end where its JPEG stream ends.")
    return b"".join((start, memoryview(tile)[stop:]))


def _stop_of_head(tile: bytes) -> int:
    """Where the entropy-coded data begin: after the first SOS. What stands before it is only looked at by `_parse`."""
    marker, position = 0, 2
    while marker != _SOS:
        marker, segment = _segment(tile, position)
        position += len(segment)
    return position


def _start(tables: bytes, head: bytes, frame: Frame) -> bytes:
    """What stands before the entropy-coded data in the file that is made: it depends on nothing else."""
    shared = _parse_shared(tables)
    own = _parse(head)
    if own.frame is None or not own.scan:
        raise DamagedError("The tile has no frame or no scan.")
    components = _parse_frame(own.frame, frame)
    _check_scan(own.scan, components, shared, own.tables)
    resized = _with_size(own.frame, components, frame)
    start = _ADOBE_RGB if frame.is_rgb else _jfif(frame.dots_per_inch)
    return b"".join((_SOI, start, shared.segments, own.tables.segments, resized, own.scan))


@lru_cache(maxsize=1024)
def _start_or_refusal(tables: bytes, head: bytes, frame: Frame) -> bytes | tuple[type[IndexingError], str]:
    """Nearly all tiles of a level have the same head, and all at one end of the image are refused for the same."""
    try:
        return _start(tables, head, frame)
    except (DamagedError, NotSupportedError) as error:
        return type(error), error.detail


def _start_once(tables: bytes, head: bytes, frame: Frame) -> bytes:
    found = _start_or_refusal(tables, head, frame)
    if isinstance(found, bytes):
        return found
    kind, detail = found
    raise kind(detail)


def _jfif(dots_per_inch: int) -> bytes:
    """APP0 (JFIF 1.02): gray, or luminance and chrominance."""
    return struct.pack(">HH5sHBHHBB", 0xFFE0, 16, b"JFIF", 0x0102, 1, dots_per_inch, dots_per_inch, 0, 0)


@lru_cache(maxsize=256)
def _parse_shared(tables: bytes) -> _Tables:
    """JPEGTables: an abbreviated stream that holds tables only (T.81, B.5)."""
    if not tables:
        return _Tables()
    head = _parse(tables)
    if head.frame is not None or head.scan or tables[head.stop :] != _EOI:
        raise DamagedError("The JPEG tables of the file hold something else.")
    return head.tables


def _parse(data: bytes) -> _Head:
    """Walk over the segments up to and with the first SOS, or to EOI; application data and comments are left out."""
    if data[:2] != _SOI:
        raise DamagedError("A JPEG stream of the file does not begin as one.")
    kept: list[bytes] = []
    quantisation: set[int] = set()
    huffman: set[int] = set()
    frame, scan, position = None, b"", 2
    while not scan and data[position : position + 2] != _EOI:
        marker, segment = _segment(data, position)
        position += len(segment)
        if marker == _DQT:
            quantisation |= _quantisation_tables(segment)
        elif marker == _DHT:
            huffman |= _huffman_tables(segment)
        elif marker == _DRI and len(segment) != 6:
            raise DamagedError("The restart interval of the file is damaged.")
        if marker in {_DQT, _DHT, _DRI}:
            kept.append(segment)
        elif marker in {_BASELINE, _EXTENDED} and frame is None:
            frame = segment
        elif marker == _SOS:
            scan = segment
        elif marker not in _APPLICATION and marker != _COMMENT:
            raise NotSupportedError(f"A JPEG stream of the file holds the marker {marker:#04x}.")
    tables = _Tables(b"".join(kept), frozenset(quantisation), frozenset(huffman))
    return _Head(tables, frame, scan, position)


def _segment(data: bytes, position: int) -> tuple[int, bytes]:
    """The marker at `position`, and the segment with it."""
    start = data[position : position + 4]
    if len(start) < 4 or start[0] != 0xFF:
        raise DamagedError("A JPEG stream of the file is cut off or damaged before its first scan.")
    length = int.from_bytes(start[2:], "big")
    segment = data[position : position + 2 + length]
    if length < 2 or len(segment) < 2 + length:
        raise DamagedError("A segment of a JPEG stream of the file is cut off.")
    return start[1], segment


def _quantisation_tables(segment: bytes) -> set[int]:
    """T.81, B.2.4.1; with 8 bits a value, as 8-bit samples have them."""
    found, position = set(), 4
    while position < len(segment):
        if segment[position] > 3 or position + 65 > len(segment) or 0 in segment[position + 1 : position + 65]:
            raise DamagedError("A quantisation table of the file is damaged.")
        found.add(segment[position])
        position += 65
    return found


def _huffman_tables(segment: bytes) -> set[int]:
    """T.81, B.2.4.2: whole tables, with codes and symbols as there can be."""
    found, position = set(), 4
    while position < len(segment):
        table, counts = segment[position], segment[position + 1 : position + 17]
        stop = position + 17 + sum(counts)
        symbols = segment[position + 17 : stop]
        is_whole = len(counts) == 16 and stop <= len(segment) and len(symbols) <= 256
        has_symbols = table & _AC or max(symbols, default=0) <= _MOST_DC_CATEGORY
        if table & ~(_AC | 3) or not is_whole or not has_symbols or not _is_prefix_code(counts):
            raise DamagedError("A Huffman table of the file is damaged.")
        found.add(table)
        position = stop
    return found


def _is_prefix_code(counts: bytes) -> bool:
    """T.81, C: of each length so many codes, and the one of all ones is never used."""
    free = 1
    for count in counts:
        free = free * 2 - count
        if free < 1:
            return False
    return True


def _parse_frame(segment: bytes, frame: Frame) -> tuple[_Component, ...]:
    """T.81, B.2.2: the frame must be the one that the TIFF tells of."""
    if len(segment) != 10 + 3 * frame.components or segment[9] != frame.components:
        raise DamagedError("The tile has another number of components than the image.")
    precision, height, width = struct.unpack_from(">BHH", segment, 4)
    if precision != 8:
        raise NotSupportedError(f"The samples of the tile have {precision} bits.")
    if (width, height) != (frame.stored.width, frame.stored.height):
        raise DamagedError(f"The tile has {width} × {height} pixels.")
    triples = (segment[at : at + 3] for at in range(10, len(segment), 3))
    components = tuple(_Component(one, factors >> 4, factors & 15, table) for one, factors, table in triples)
    _check_components(components, frame)
    return components


def _check_components(components: tuple[_Component, ...], frame: Frame) -> None:
    """Chrominance as all decoders know it: as fine as luminance, or half as fine along one axis or both."""
    factors = [(component.across, component.down) for component in components]
    is_common = factors[0] in {(1, 1), (2, 1), (1, 2), (2, 2)} and set(factors[1:]) <= {(1, 1)}
    if not is_common:
        raise NotSupportedError("The components of the tile are sampled in an uncommon way.")
    identifiers = bytes(component.identifier for component in components)
    if len(set(identifiers)) != len(identifiers) or (identifiers == b"RGB" and not frame.is_rgb):
        raise NotSupportedError("The components of the tile have misleading names.")


def _check_scan(scan: bytes, components: tuple[_Component, ...], *tables: _Tables) -> None:
    """T.81, B.2.3: one scan holds all components, and every table that it needs is there."""
    count = len(components)
    selectors = scan[5 : 5 + 2 * count]
    if len(scan) != 8 + 2 * count or scan[4] != count or scan[-3:] != b"\x00\x3f\x00":
        raise NotSupportedError("The tile has several scans.")
    if selectors[::2] != bytes(component.identifier for component in components):
        raise DamagedError("The scan of the tile names other components than its frame.")
    needed = {table >> 4 for table in selectors[1::2]} | {_AC | (table & 15) for table in selectors[1::2]}
    huffman = frozenset[int]().union(*(each.huffman for each in tables))
    quantisation = frozenset[int]().union(*(each.quantisation for each in tables))
    if not needed <= huffman or not {component.quantisation for component in components} <= quantisation:
        raise DamagedError("The tile needs a table that the file doesn't have.")


def _with_size(segment: bytes, components: tuple[_Component, ...], frame: Frame) -> bytes:
    """The frame with the size that is shown.

    Rows below it are not decoded then, and columns beside it are dropped, without a change to the pixels that stay,
    as long as these don't lean on others: chrominance that is interpolated across the cut does. The number of blocks in
    a row must stay.
    """
    stored, shown = frame.stored, frame.shown
    if shown == stored:
        return segment
    if shown.width > stored.width or shown.height > stored.height:
        raise ValueError("more is to be shown than is stored")
    is_cut_across, is_cut_down = shown.width < stored.width, shown.height < stored.height
    is_alone = len(components) == 1
    across, down = (1, 1) if is_alone else (components[0].across, components[0].down)
    if (is_cut_across and across > 1) or (is_cut_down and down > 1):
        raise NotSupportedError("The chrominance of the tile reaches across the image's end.")
    unit = _BLOCK * across
    if -(-shown.width // unit) != -(-stored.width // unit):
        raise NotSupportedError("The tile reaches beyond the image's right end.")
    return segment[:5] + struct.pack(">HH", shown.height, shown.width) + segment[9:]
