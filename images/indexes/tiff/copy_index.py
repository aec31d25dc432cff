"""Where the tiles of a service copy lie: a TIFF's index, and the pieces at the image's ends as they are served."""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from images.iiif.geometry import Region, Size
from images.iiif.tiles import reduced_size
from images.indexes.description import SourceDescription
from images.indexes.errors import DamagedError
from images.indexes.limits import SourceLimits
from images.indexes.parsing import Parser, Window
from images.indexes.ranges import ByteRange
from images.indexes.tiff.description import describe_structure
from images.indexes.tiff.index import TiffIndex, index_structure
from images.indexes.tiff.structure import parse_structure

COPY_SCHEMA = 1
"""Of the bytes that `to_bytes` makes, and of what a copy holds; copies of another schema are made anew."""

TAIL_AT = 8
"""Where the header of a BigTIFF says at which byte its first directory begins."""

TAIL_BYTES = 24
"""Of that, and of what follows the header: EDGES_MAGIC, and at which byte the table of pieces at the ends begins."""

EDGES_MAGIC = b"edges\x00\x00\x01"

_TAIL = struct.Struct("<Q8sQ")
_COUNT = struct.Struct("<I")
_MOST_EDGES_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A tile of the advertised grid: `level` 0 is full, `column` and `row` count from 0, `shown`: pixels of it."""

    level: int
    column: int
    row: int
    shown: Size


def find_place(full: Size, tile: int, levels: int, region: Region, size: Size) -> Place | None:
    """The tile that is asked for, if it is one of a grid of so many levels, each half as large as the one before.

    Where several scale factors fit, as they may at the image's ends, the smallest.
    """
    for number in range(levels):
        factor = 1 << number
        if reduced_size(region.size, factor) != size:
            continue
        step = tile * factor
        column, off_x = divmod(region.x, step)
        row, off_y = divmod(region.y, step)
        whole = Size(min(step, full.width - region.x), min(step, full.height - region.y))
        if not off_x and not off_y and whole == region.size:
            return Place(number, column, row, size)
    return None


@dataclass(frozen=True, slots=True)
class CopyIndex:
    """`edges`: of each level offset and length of its pieces at the right and lower ends, row by row."""

    tiles: TiffIndex
    edges: tuple["array[int]", ...]

    @property
    def byte_size(self) -> int:
        return self.tiles.byte_size + sum(len(edges) * edges.itemsize for edges in self.edges)

    def to_bytes(self) -> bytes:
        tiles = self.tiles.to_bytes()
        return _COUNT.pack(len(tiles)) + tiles + pack_edges(self.edges)

    @classmethod
    def from_bytes(cls, data: bytes) -> "CopyIndex | None":
        """None for the bytes of another schema. Raises DamagedError."""
        try:
            (length,) = _COUNT.unpack_from(data)
        except struct.error as error:
            raise DamagedError("The index of this service copy is damaged; make it anew.") from error
        tiles = TiffIndex.from_bytes(data[_COUNT.size : _COUNT.size + length])
        return None if tiles is None else cls(tiles, unpack_edges(data[_COUNT.size + length :]))

    def piece_range(self, place: Place) -> ByteRange | None:
        """The bytes of the JPEG that holds just what the tile shows. None where there is no such tile."""
        level = self.tiles.levels[place.level]
        if place.shown == Size(level.piece_width, level.piece_height):
            return level.piece_range(place.column, place.row)
        return self._edge_range(place)

    def _edge_range(self, place: Place) -> ByteRange | None:
        """Pieces come row by row: one at the right end of each whole row, and then all of the last row."""
        level, edges = self.tiles.levels[place.level], self.edges[place.level]
        whole_rows, has_right = level.height // level.piece_height, bool(level.width % level.piece_width)
        number = place.row if place.row < whole_rows else whole_rows * has_right + place.column
        if number * 2 + 1 >= len(edges):
            return None
        return ByteRange(edges[number * 2], edges[number * 2] + edges[number * 2 + 1])


def pack_edges(edges: Sequence[Sequence[int]]) -> bytes:
    """For each level the number of its values, then the values; little-endian. The length of it all goes before."""
    parts = [_COUNT.pack(len(edges))]
    for values in edges:
        parts += (_COUNT.pack(len(values)), struct.pack(f"<{len(values)}Q", *values))
    packed = b"".join(parts)
    return _COUNT.pack(len(packed)) + packed


def unpack_edges(data: bytes) -> tuple["array[int]", ...]:
    """Raises DamagedError."""
    edges = []
    try:
        (count,) = _COUNT.unpack_from(data, _COUNT.size)
        position = 2 * _COUNT.size
        for _ in range(count):
            (values,) = _COUNT.unpack_from(data, position)
            position += _COUNT.size
            edges.append(array("Q", struct.unpack_from(f"<{values}Q", data, position)))
            position += values * 8
    except struct.error as error:
        raise DamagedError("The table of pieces at the ends of this service copy is damaged.") from error
    return tuple(edges)


def describe_and_index_copy(
    byte_size: int, limits: SourceLimits | None = None
) -> Parser[tuple[SourceDescription, CopyIndex]]:
    """A parser of a service copy of `byte_size` bytes. Raises IndexingError where it is none, or not a whole one."""
    window = Window(byte_size)
    structure = yield from parse_structure(window, limits or SourceLimits())
    description = yield from describe_structure(window, structure)
    tiles = yield from index_structure(window, structure)
    if tiles is None:
        raise DamagedError("The service copy has more tiles than an index may hold.")
    index = CopyIndex(tiles, (yield from _read_edges(window)))
    _check(index, byte_size)
    return description, index


def _read_edges(window: Window) -> Parser[tuple["array[int]", ...]]:
    what = "The table of pieces at the ends"
    _, magic, offset = _TAIL.unpack((yield from window.fetch(TAIL_AT, TAIL_BYTES, what)))
    if magic != EDGES_MAGIC:
        raise DamagedError("The file is no service copy.")
    (length,) = _COUNT.unpack((yield from window.fetch(offset, _COUNT.size, what)))
    if length > _MOST_EDGES_BYTES:
        raise DamagedError(f"{what} is damaged.")
    return unpack_edges((yield from window.fetch(offset, _COUNT.size + length, what)))


def _check(index: CopyIndex, byte_size: int) -> None:
    """Every level is the full image at the next scale factor, and each piece that its ends need is in the file."""
    first = index.tiles.levels[0]
    full = Size(first.width, first.height)
    if len(index.edges) != len(index.tiles.levels):
        raise DamagedError("The service copy has another number of levels than its table.")
    for number, (level, edges) in enumerate(zip(index.tiles.levels, index.edges, strict=True)):
        if Size(level.width, level.height) != reduced_size(full, 1 << number) or level.piece_width != first.piece_width:
            raise DamagedError(f"Level {number} of the service copy is not the one that it should be.")
        columns, rows = -(-level.width // level.piece_width), -(-level.height // level.piece_height)
        whole = (level.width // level.piece_width) * (level.height // level.piece_height)
        if len(edges) != 2 * (columns * rows - whole):
            raise DamagedError(f"Pieces at the ends of level {number} of the service copy are missing.")
        if any(edges[at] + edges[at + 1] > byte_size or not edges[at + 1] for at in range(0, len(edges), 2)):
            raise DamagedError(f"A piece of level {number} of the service copy lies beyond its end.")
