"""Where every tile and strip of a TIFF lies, level by level: kept beside the description, read before a tile is."""

import enum
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from operator import add

from images.indexes import icc
from images.indexes.description import SourceDescription
from images.indexes.errors import DamagedError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.ranges import ByteRange
from images.indexes.tiff import tags
from images.indexes.tiff.coding import Coding, parse_coding
from images.indexes.tiff.description import describe_structure
from images.indexes.tiff.directories import read_bytes
from images.indexes.tiff.page import Page, Pieces
from images.indexes.tiff.structure import Structure, parse_structure

SCHEMA = 2
"""Of the bytes that `to_bytes` makes. Those of schema 1, which held no `coding`, are read as well."""

MAX_INDEX_BYTES = 128 * 1024 * 1024
"""Of an index in memory: eight million pieces at most. A file of more is served without one."""

_MAX_TABLES_BYTES = 16 * 1024
"""Of JPEGTables: four quantisation and eight Huffman tables, all as large as can be, take 2,800 bytes."""

_MAX_PROFILE_BYTES = 64 * 1024
"""Of an ICC profile that is looked at; those of sRGB take 500 to 8,000, tables of printers many more."""

_READABLE = frozenset({1, SCHEMA})
_HEADER = struct.Struct("<BQ")
_LEVEL = struct.Struct("<15Q")
_CODING_LENGTH = struct.Struct("<Q")


class ColourProfile(enum.IntEnum):
    """The ICC profile of a level: none, one that says sRGB and nothing else, or another one."""

    NONE = 0
    SRGB = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class IndexedLevel:
    """One stored level; pixels as stored, codes as in TIFF 6.0.

    A piece is a tile, or a strip, which is as wide as the level. `jpeg_tables` is the value of that tag or nothing.
    `offsets` and `byte_counts`: bytes, a piece each, row by row; both empty where the file does not say how long its
    strips are. `coding` is None where pieces can't be decoded out of their file, and in an older index.
    """

    width: int
    height: int
    page: int
    subifd: int | None
    is_tiled: bool
    piece_width: int
    piece_height: int
    compression: int
    photometric: int
    samples_per_pixel: int
    bits_per_sample: int
    is_contiguous: bool
    colour_profile: ColourProfile
    jpeg_tables: bytes
    offsets: "array[int]"
    byte_counts: "array[int]"
    coding: Coding | None = None

    def piece_range(self, column: int, row: int) -> ByteRange | None:
        """The bytes of a piece. None for one that is not there."""
        number = row * -(-self.width // self.piece_width) + column
        if not 0 <= number < len(self.offsets):
            return None
        return ByteRange(self.offsets[number], self.offsets[number] + self.byte_counts[number])


@dataclass(frozen=True, slots=True)
class TiffIndex:
    """The levels of a TIFF, as many and in the order of those of its description."""

    levels: tuple[IndexedLevel, ...]

    @property
    def byte_size(self) -> int:
        """What it takes in memory, nearly."""
        return 1_000 + sum(
            1_000
            + len(level.jpeg_tables)
            + (level.coding.byte_size if level.coding else 0)
            + level.offsets.itemsize * len(level.offsets) * 2
            for level in self.levels
        )

    def finds_what(self, older: "TiffIndex") -> bool:
        """Whether both say the same but for what older ones don't say."""
        return older.levels == tuple(replace(level, coding=None) for level in self.levels)

    def to_bytes(self) -> bytes:
        raw = struct.pack("<Q", len(self.levels)) + b"".join(_pack_level(level) for level in self.levels)
        return _HEADER.pack(SCHEMA, len(raw)) + zlib.compress(raw, 6)

    @staticmethod
    def is_current(data: bytes) -> bool:
        """Whether the bytes are of the schema that is written now."""
        return data[:1] == bytes([SCHEMA])

    @classmethod
    def from_bytes(cls, data: bytes) -> "TiffIndex | None":
        """None for the bytes of an unknown schema. Raises DamagedError for what can't be read."""
        try:
            schema, length = _HEADER.unpack_from(data)
            if schema not in _READABLE:
                return None
            raw = _decompress(data[_HEADER.size :], length)
            (count,) = struct.unpack_from("<Q", raw)
            levels, position = [], 8
            for _ in range(count):
                level, position = _unpack_level(raw, position)
                if schema == SCHEMA:
                    level, position = _unpack_coding(raw, position, level)
                levels.append(level)
        except (struct.error, zlib.error, ValueError, OverflowError) as error:
            raise DamagedError("The index of this TIFF is damaged; read the source again.") from error
        return cls(tuple(levels))


def describe_and_index(
    byte_size: int, limits: SourceLimits | None = None
) -> Parser[tuple[SourceDescription, TiffIndex | None]]:
    """A parser of a TIFF file of `byte_size` bytes; the index is None where it would be too large to keep.

    Raises IndexingError: DamagedError, TooLargeError or NotSupportedError.
    """
    window = Window(byte_size)
    structure = yield from parse_structure(window, limits or SourceLimits())
    description = yield from describe_structure(window, structure)
    return description, (yield from index_structure(window, structure))


def index_structure(window: Window, structure: Structure) -> Parser[TiffIndex | None]:
    """The index that follows from a walk that was made already; None where it would be too large to keep."""
    if sum(len(pieces.offsets) for pieces in structure.pieces) * 16 > MAX_INDEX_BYTES:
        return None
    levels: list[IndexedLevel] = []
    for page, pieces in zip(structure.levels, structure.pieces, strict=True):
        tables = yield from _read_tables(window, page)
        if tables is None:
            return None
        profile = yield from _read_profile(window, page)
        coding = yield from parse_coding(window, structure.layout, page)
        levels.append(_to_level(page, pieces, tables, profile, coding))
    return TiffIndex(tuple(levels))


def _read_tables(window: Window, page: Page) -> Parser[bytes | None]:
    field = page.directory.fields.get(tags.JPEG_TABLES)
    if field is None:
        return b""
    if field.byte_size > _MAX_TABLES_BYTES:
        return None
    return (yield from read_bytes(window, page.directory, tags.JPEG_TABLES))


def _read_profile(window: Window, page: Page) -> Parser[ColourProfile]:
    field = page.directory.fields.get(tags.ICC_PROFILE)
    if field is None:
        return ColourProfile.NONE
    if field.byte_size > _MAX_PROFILE_BYTES:
        return ColourProfile.OTHER
    profile = yield from read_bytes(window, page.directory, tags.ICC_PROFILE)
    return ColourProfile.SRGB if icc.is_srgb(profile) else ColourProfile.OTHER


def _to_level(page: Page, pieces: Pieces, tables: bytes, profile: ColourProfile, coding: Coding | None) -> IndexedLevel:
    counts = pieces.byte_counts
    known = page.piece_count if counts is not None else 0
    bits = set(page.bits_per_sample)
    return IndexedLevel(
        width=page.width,
        height=page.height,
        page=page.directory.page,
        subifd=page.directory.subifd,
        is_tiled=page.is_tiled,
        piece_width=page.tile_width or page.width,
        piece_height=page.tile_height or page.rows_per_strip,
        compression=page.compression,
        photometric=page.photometric,
        samples_per_pixel=page.samples_per_pixel,
        bits_per_sample=bits.pop() if len(bits) == 1 else 0,
        is_contiguous=page.planar_configuration != tags.PLANAR_SEPARATE,
        colour_profile=profile,
        jpeg_tables=tables,
        offsets=array("Q", pieces.offsets[:known]),
        byte_counts=array("Q", counts[:known] if counts is not None else ()),
        coding=coding,
    )


def _pack_level(level: IndexedLevel) -> bytes:
    """Numbers, tables, then lengths, and the gap before each piece: mostly nothing, so that little is left of them."""
    numbers = _LEVEL.pack(
        level.width,
        level.height,
        level.page,
        0 if level.subifd is None else level.subifd + 1,
        level.is_tiled,
        level.piece_width,
        level.piece_height,
        level.compression,
        level.photometric,
        level.samples_per_pixel,
        level.bits_per_sample,
        level.is_contiguous,
        level.colour_profile,
        len(level.jpeg_tables),
        len(level.offsets),
    )
    stops = chain((0,), map(add, level.offsets, level.byte_counts))
    gaps = array("q", (offset - stop for offset, stop in zip(level.offsets, stops, strict=False)))
    coding = level.coding.to_bytes() if level.coding else b""
    tail = _CODING_LENGTH.pack(len(coding)) + coding
    return numbers + level.jpeg_tables + _little(level.byte_counts) + _little(gaps) + tail


def _unpack_level(raw: bytes, position: int) -> tuple[IndexedLevel, int]:
    width, height, page, subifd, is_tiled, *rest = _LEVEL.unpack_from(raw, position)
    piece_width, piece_height, compression, photometric, samples, bits, is_contiguous, profile, tables, count = rest
    position += _LEVEL.size
    stop = position + tables + 16 * count
    if stop > len(raw) or not piece_width or not piece_height:
        raise ValueError("the level is not all there")
    counts = _from_little("Q", raw[position + tables : stop - 8 * count])
    gaps = _from_little("q", raw[stop - 8 * count : stop])
    offsets = array("Q", accumulate(map(add, gaps, chain((0,), counts))))
    level = IndexedLevel(
        width,
        height,
        page,
        subifd - 1 if subifd else None,
        bool(is_tiled),
        piece_width,
        piece_height,
        compression,
        photometric,
        samples,
        bits,
        bool(is_contiguous),
        ColourProfile(profile),
        raw[position : position + tables],
        offsets,
        counts,
    )
    return level, stop


def _unpack_coding(raw: bytes, position: int, level: IndexedLevel) -> tuple[IndexedLevel, int]:
    (length,) = _CODING_LENGTH.unpack_from(raw, position)
    start = position + _CODING_LENGTH.size
    if start + length > len(raw):
        raise ValueError("the level is not all there")
    data = raw[start : start + length]
    return (replace(level, coding=Coding.from_bytes(data)) if data else level), start + length


def _little(values: "array[int]") -> bytes:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


def _from_little(code: str, data: bytes) -> "array[int]":
    values: array[int] = array(code)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _decompress(data: bytes, length: int) -> bytes:
    if length > MAX_INDEX_BYTES * 2:
        raise ValueError("it is too large")
    stream = zlib.decompressobj()
    raw = stream.decompress(data, length + 1)
    if len(raw) != length or not stream.eof:
        raise ValueError("it is not as long as it says")
    return raw
