"""A pyramidal BigTIFF with JPEG tiles, written as its tiles come: nothing is ever written twice or kept but offsets.

The directories come last, so the header can't say where they begin: the last TAIL_BYTES of the output do. They are no
part of the file; whoever keeps it cuts them off and puts them at TAIL_AT (`images.indexes.tiff.copy_index` reads the
result).

TIFF has all tiles of one size, padded where the image ends, and a JPEG can't be cut without being decoded: so what the
image leaves of the tiles at its right and lower ends is stored once more, as it is served. A table of these pieces,
which other readers don't see, lies before the directories.
"""

import struct
from collections.abc import Callable, Sequence

from images.iiif.geometry import Size
from images.indexes.tiff import tags
from images.indexes.tiff.copy_index import EDGES_MAGIC, TAIL_BYTES, pack_edges

_HEADER = struct.pack("<2sHHH", b"II", 43, 8, 0) + b"\x00" * TAIL_BYTES
_SHORT, _LONG, _RATIONAL, _UNDEFINED, _ASCII, _LONG8 = 3, 4, 5, 7, 2, 16
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}
_JPEG, _BLACK_IS_ZERO, _YCBCR = 7, 1, 6
_REFERENCE_BLACK_WHITE = 532
_SOFTWARE = b"iiifserver service copy\x00"
_INLINE_BYTES = 8


class CopyWriter:
    """Call `add` and `add_edge` for each level's tiles row by row, levels in any order, then `finish`."""

    def __init__(
        self,
        levels: Sequence[Size],
        tile: int,
        components: int,
        *,
        is_subsampled: bool,
        write: Callable[[bytes], None],
    ) -> None:
        self._levels = levels
        self._tile = tile
        self._components = components
        self._is_subsampled = is_subsampled
        self._write = write
        self._position = 0
        self._tiles: list[list[tuple[int, int]]] = [[] for _ in levels]
        self._edges: list[list[tuple[int, int]]] = [[] for _ in levels]
        self.tables = b""
        self._put(_HEADER)

    def add(self, level: int, jpeg: bytes) -> None:
        """The next tile of a level, padded to the size of a tile."""
        self._tiles[level].append(self._put_jpeg(jpeg))

    def add_edge(self, level: int, jpeg: bytes) -> None:
        """The same tile without its padding; for each that has some."""
        self._edges[level].append(self._put_jpeg(jpeg))

    def finish(self) -> None:
        """The table of pieces at the ends, then the directories from the smallest level to the largest.

        Each directory names the one that was written before it.
        """
        edges_at = self._put(pack_edges([[value for edge in edges for value in edge] for edges in self._edges]))
        offset = 0
        for number in reversed(range(len(self._levels))):
            offset = self._put_directory(self._entries(number), offset)
        self._put(struct.pack("<Q8sQ", offset, EDGES_MAGIC, edges_at))

    def _put_jpeg(self, jpeg: bytes) -> tuple[int, int]:
        tables, rest = split_tables(jpeg)
        if not self.tables:
            self.tables = tables
        stored = rest if tables == self.tables else jpeg
        return self._put(stored), len(stored)

    def _put(self, data: bytes) -> int:
        """Where it begins."""
        offset = self._position
        self._position += len(data)
        self._write(data)
        return offset

    def _entries(self, number: int) -> list[tuple[int, int, Sequence[int] | bytes]]:
        level, tiles = self._levels[number], self._tiles[number]
        is_gray = self._components == 1
        entries: list[tuple[int, int, Sequence[int] | bytes]] = [
            (tags.NEW_SUBFILE_TYPE, _LONG, [1 if number else 0]),
            (tags.IMAGE_WIDTH, _LONG, [level.width]),
            (tags.IMAGE_LENGTH, _LONG, [level.height]),
            (tags.BITS_PER_SAMPLE, _SHORT, [8] * self._components),
            (tags.COMPRESSION, _SHORT, [_JPEG]),
            (tags.PHOTOMETRIC, _SHORT, [_BLACK_IS_ZERO if is_gray else _YCBCR]),
            (tags.ORIENTATION, _SHORT, [1]),
            (tags.SAMPLES_PER_PIXEL, _SHORT, [self._components]),
            (tags.PLANAR_CONFIGURATION, _SHORT, [1]),
            (tags.SOFTWARE, _ASCII, _SOFTWARE),
            (tags.TILE_WIDTH, _LONG, [self._tile]),
            (tags.TILE_LENGTH, _LONG, [self._tile]),
            (tags.TILE_OFFSETS, _LONG8, [offset for offset, _ in tiles]),
            (tags.TILE_BYTE_COUNTS, _LONG, [length for _, length in tiles]),
            (tags.JPEG_TABLES, _UNDEFINED, self.tables),
        ]
        if not is_gray:
            factors = [2, 2] if self._is_subsampled else [1, 1]
            entries.append((tags.YCBCR_SUBSAMPLING, _SHORT, factors))
            entries.append((_REFERENCE_BLACK_WHITE, _RATIONAL, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]))
        return entries

    def _put_directory(self, entries: list[tuple[int, int, Sequence[int] | bytes]], following: int) -> int:
        packed = []
        for tag, kind, values in entries:
            data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
            count = len(values) // 2 if kind == _RATIONAL else len(values)
            if len(data) > _INLINE_BYTES:
                self._put(b"\x00" * (-self._position % 8))
                data = struct.pack("<Q", self._put(data))
            packed.append(struct.pack("<HHQ8s", tag, kind, count, data))
        self._put(b"\x00" * (-self._position % 8))
        return self._put(struct.pack("<Q", len(packed)) + b"".join(packed) + struct.pack("<Q", following))


_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_DHT, _DQT, _SOS = 0xC4, 0xDB, 0xDA


def split_tables(jpeg: bytes) -> tuple[bytes, bytes]:
    """An encoder's JPEG as two abbreviated streams: its tables, and the rest (TIFF Technical Note 2; T.81, B.5)."""
    tables, rest, position = [_SOI], [_SOI], 2
    while True:
        marker = jpeg[position + 1]
        stop = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == _SOS:
            break
        (tables if marker in {_DHT, _DQT} else rest).append(jpeg[position:stop])
        position = stop
    return b"".join((*tables, _EOI)), b"".join((*rest, jpeg[position:]))
