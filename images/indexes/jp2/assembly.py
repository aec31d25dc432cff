"""Puts a sparse codestream together from its plan and the bytes that were read."""

import struct
from collections.abc import Sequence

from images.indexes.errors import DamagedError
from images.indexes.jp2.packet_headers import SOP, SOP_BYTES
from images.indexes.jp2.sparse_plan import SparsePlan, TileRecipe

_SOT_BYTES = 12
_SOD = b"\xff\x93"
_EOC = b"\xff\xd9"
_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 \x00\x00\x00\x00jp2 "


def assemble(plan: SparsePlan, chunks: Sequence[bytes]) -> bytes:
    """The bytes of a JP2 file, or of a codestream where the source was one; `chunks` are those of `plan.ranges`.

    Raises DamagedError where a chunk is shorter than its range, as from a source that was cut off since.
    """
    for wanted, chunk in zip(plan.ranges, chunks, strict=True):
        if len(chunk) != wanted.length:
            raise DamagedError("The image data are shorter than when they were indexed.")
    pieces: list[bytes | memoryview] = [plan.main_header]
    views = [memoryview(chunk) for chunk in chunks]
    for tile in plan.tiles:
        pieces += _tile_part(tile, views)
    pieces.append(_EOC)
    if not plan.jp2_header:
        return b"".join(pieces)
    return b"".join([_SIGNATURE, _box(b"jp2h", len(plan.jp2_header)), plan.jp2_header, _box(b"jp2c", None), *pieces])


def _box(type_: bytes, content_bytes: int | None) -> bytes:
    """The head of a box; without a length it reaches to the end of the file (T.800 I.4)."""
    return struct.pack(">I4s", 0 if content_bytes is None else content_bytes + 8, type_)


def _tile_part(tile: TileRecipe, views: Sequence[memoryview]) -> list[bytes | memoryview]:
    """The whole tile as its only tile-part (T.800 A.4.2)."""
    packets: list[bytes | memoryview] = []
    for each in tile.packets:
        if isinstance(each, bytes):
            packets.append(each)
            continue
        body = views[each.chunk][each.start : each.stop]
        if tile.strips_sop and body[: len(SOP)] == SOP:
            body = body[SOP_BYTES:]
        if each.header:
            packets.append(each.header)
        packets.append(body)
    length = _SOT_BYTES + len(tile.header) + len(_SOD) + sum(map(len, packets))
    start = struct.pack(">HHHIBB", 0xFF90, 10, tile.number, length, 0, 1)
    return [start, tile.header, _SOD, *packets]
