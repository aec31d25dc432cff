"""A region of a TIFF from the tiles or strips that it touches and nothing else of the file. Pure.

They become a TIFF of their own with the tags of their level, so that whatever decodes it takes the same steps as with
the whole file, but opens no directory of thousands of tiles for it.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from images.decoders.plan import DecodePlan
from images.decoders.resample import Axis
from images.indexes.description import Level, SourceFormat
from images.indexes.ranges import ByteRange
from images.indexes.tiff import tags
from images.indexes.tiff.coding import Coding, CodingTag
from images.indexes.tiff.index import IndexedLevel, TiffIndex

MOST_BYTES = 64 * 1024 * 1024
"""Read for one answer: it is held in memory by the web process. Where there is a file, more is better read from it."""

MOST_FILE_BYTES = 8 * 1024 * 1024
"""The same for a source that is a file on this machine: a decoder can open that itself."""

_MOST_PIECES = 4096

_EXACT = frozenset({5, 8, 32773, 32946})
"""LZW, Deflate, PackBits (TIFF 6.0)."""

_HEADER_BYTES = 8
_ENTRY_BYTES = 12
_INLINE_BYTES = 4
_LONG = 4


@dataclass(frozen=True, slots=True)
class StoredPieces:
    """The pieces of a level that a plan reads: `columns` × `rows` of them from the one at `column`, `row`.

    `ranges`: of the source, to be read and joined in this order. `places`: offset and length in bytes of each piece in
    what was joined, row by row.
    """

    level: IndexedLevel
    coding: Coding
    column: int
    row: int
    columns: int
    rows: int
    ranges: tuple[ByteRange, ...]
    places: tuple[tuple[int, int], ...]

    @property
    def x(self) -> int:
        """Where the first piece begins, in pixels of the level."""
        return self.column * self.level.piece_width

    @property
    def y(self) -> int:
        return self.row * self.level.piece_height

    @property
    def width(self) -> int:
        """Pixels of the level that the pieces hold."""
        return min(self.columns * self.level.piece_width, self.level.width - self.x)

    @property
    def height(self) -> int:
        return min(self.rows * self.level.piece_height, self.level.height - self.y)

    @property
    def shows_damage(self) -> bool:
        """Whether a piece that cannot be decoded is damaged for certain; of others libtiff puts some things right."""
        return self.level.compression in _EXACT

    @property
    def file_places(self) -> tuple[tuple[int, int], ...]:
        """As `places`, in the source itself."""
        pieces = (
            self.level.piece_range(self.column + x, self.row + y) for y in range(self.rows) for x in range(self.columns)
        )
        return tuple((piece.start, piece.length) for piece in pieces if piece is not None)

    @property
    def read_bytes(self) -> int:
        return sum(one.length for one in self.ranges)


def find_pieces(index: TiffIndex, planned: DecodePlan, gap_bytes: int, most_bytes: int) -> StoredPieces | None:
    """The pieces that the plan reads; None where the index can't tell, or where they are more than `most_bytes`.

    Gaps of up to `gap_bytes` are read along, so that neighbours take one read.
    """
    level = _indexed(index, planned.level)
    if planned.source_format is not SourceFormat.TIFF or level is None or level.coding is None:
        return None
    column, columns = _touched(planned.horizontal, level.piece_width)
    row, rows = _touched(planned.vertical, level.piece_height)
    if columns * rows > _MOST_PIECES:
        return None
    pieces = [level.piece_range(column + x, row + y) for y in range(rows) for x in range(columns)]
    found = [piece for piece in pieces if piece is not None]
    if len(found) != len(pieces) or sum(piece.length for piece in found) > most_bytes:
        return None
    ranges = _joined(found, gap_bytes)
    if sum(one.length for one in ranges) > most_bytes:
        ranges = _joined(found, 0)
    return StoredPieces(level, level.coding, column, row, columns, rows, ranges, _places(found, ranges))


def plan_pieces(found: StoredPieces, planned: DecodePlan) -> DecodePlan:
    """The plan for the file that `write_pieces` makes, in the place of the source."""
    level = planned.level
    return replace(
        planned,
        level=Level(found.width, found.height, level.tile_width, level.tile_height),
        horizontal=replace(planned.horizontal, start=planned.horizontal.start - found.x),
        vertical=replace(planned.vertical, start=planned.vertical.start - found.y),
        is_strict=found.shows_damage,
    )


def joined(data: Sequence[bytes]) -> bytes:
    """The bytes of `ranges` in one, without a copy where they are."""
    return data[0] if len(data) == 1 else b"".join(data)


def write_pieces(found: StoredPieces, data: Sequence[bytes]) -> bytes:
    """A TIFF of the pieces alone; `data`: the bytes of `ranges`."""
    head = _head(found, len(_head(found, 0)))
    return b"".join((head, *data))


def _indexed(index: TiffIndex, level: Level) -> IndexedLevel | None:
    wanted = (level.page, level.subifd, level.width, level.height)
    return next((one for one in index.levels if (one.page, one.subifd, one.width, one.height) == wanted), None)


def _touched(axis: Axis, piece: int) -> tuple[int, int]:
    """The first piece along an axis, and how many."""
    first = axis.start // piece
    return first, (axis.start + axis.length - 1) // piece - first + 1


def _joined(pieces: Sequence[ByteRange], gap_bytes: int) -> tuple[ByteRange, ...]:
    """The fewest ranges that hold the pieces, ascending."""
    if len(pieces) == 1:
        return (pieces[0],)
    ranges: list[ByteRange] = []
    for piece in sorted(pieces, key=lambda one: one.start):
        if ranges and piece.start <= ranges[-1].stop + gap_bytes:
            ranges[-1] = ByteRange(ranges[-1].start, max(ranges[-1].stop, piece.stop))
        else:
            ranges.append(piece)
    return tuple(ranges)


def _places(pieces: Sequence[ByteRange], ranges: Sequence[ByteRange]) -> tuple[tuple[int, int], ...]:
    if len(pieces) == 1:
        return ((0, pieces[0].length),)
    places: dict[ByteRange, tuple[int, int]] = {}
    waiting = sorted(set(pieces), key=lambda one: one.start, reverse=True)
    before = 0
    for one in ranges:
        while waiting and waiting[-1].stop <= one.stop:
            piece = waiting.pop()
            places[piece] = before + piece.start - one.start, piece.length
        before += one.length
    return tuple(places[piece] for piece in pieces)


def _head(found: StoredPieces, start: int) -> bytes:
    """All that comes before the pieces, which begin at `start`."""
    coding = found.coding
    order = ">" if coding.byte_order == "big" else "<"
    entries = sorted((*_own_tags(found, order, start), *coding.tags), key=lambda one: one.tag)
    after = _HEADER_BYTES + 2 + _ENTRY_BYTES * len(entries) + 4
    mark = b"MM" if coding.byte_order == "big" else b"II"
    directory = [mark, struct.pack(f"{order}HIH", 42, _HEADER_BYTES, len(entries))]
    values: list[bytes] = []
    for one in entries:
        directory.append(struct.pack(f"{order}HHI", one.tag, one.type, one.count))
        if len(one.values) <= _INLINE_BYTES:
            directory.append(one.values.ljust(_INLINE_BYTES, b"\0"))
            continue
        directory.append(struct.pack(f"{order}I", after))
        values.append(one.values + b"\0" * (len(one.values) % 2))  # values begin at even offsets
        after += len(values[-1])
    return b"".join((*directory, bytes(4), *values))


def _own_tags(found: StoredPieces, order: str, start: int) -> list[CodingTag]:
    """Those that are other ones than in the source."""

    def longs(tag: int, *values: int) -> CodingTag:
        return CodingTag(tag, _LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))

    level = found.level
    offsets, counts = (start + offset for offset, _ in found.places), (length for _, length in found.places)
    own = [longs(tags.IMAGE_WIDTH, found.width), longs(tags.IMAGE_LENGTH, found.height)]
    if level.is_tiled:
        own += [longs(tags.TILE_WIDTH, level.piece_width), longs(tags.TILE_LENGTH, level.piece_height)]
        own += [longs(tags.TILE_OFFSETS, *offsets), longs(tags.TILE_BYTE_COUNTS, *counts)]
    else:
        own += [longs(tags.ROWS_PER_STRIP, level.piece_height)]
        own += [longs(tags.STRIP_OFFSETS, *offsets), longs(tags.STRIP_BYTE_COUNTS, *counts)]
    if level.jpeg_tables:
        own.append(CodingTag(tags.JPEG_TABLES, tags.UNDEFINED, len(level.jpeg_tables), level.jpeg_tables))
    return own
