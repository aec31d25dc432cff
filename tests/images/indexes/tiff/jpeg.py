"""TIFFs with JPEG tiles, written without libtiff: every chrominance, with shared tables or without."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from tests.images.indexes.tiff.writer import LONG, LONG8, SHORT, UNDEFINED, PageSpec, Tag, write_tiff

Pixels = npt.NDArray[np.uint8]
SUBSAMPLING = {"444": 0, "422": 1, "420": 2}
Change = Callable[[bytes], bytes]


def jpeg_tiff(
    pixels: Pixels,
    tile: int,
    kind: str = "420",
    *,
    levels: int = 1,
    shared: bool = True,
    big: bool = False,
    tags: dict[int, Tag | None] | None = None,
    change_tables: Change = bytes,
    change_tile: Change = bytes,
) -> bytes:
    """`kind`: 444, 422 or 420 (YCbCr), rgb or gray. Levels are made by leaving out pixels, so they are rounded up."""
    specs: list[PageSpec] = []
    streams: list[list[bytes]] = []
    for exponent in range(levels):
        level = pixels[:: 1 << exponent, :: 1 << exponent]
        tables, tiles = _tiles(level, tile, kind, shared=shared)
        streams.append([change_tile(one) for one in tiles])
        specs.append(_page(level, tile, kind, change_tables(tables) if shared else None, exponent, tags or {}))
    unplaced = write_tiff(*_placed(specs, streams, 16, big=big), big=big)
    data = write_tiff(*_placed(specs, streams, len(unplaced), big=big), big=big)
    return data + b"".join(one for stream in streams for one in stream)


def _page(
    level: Pixels, tile: int, kind: str, tables: bytes | None, exponent: int, tags: dict[int, Tag | None]
) -> PageSpec:
    extra: dict[int, Tag | None] = {347: Tag(UNDEFINED, tables)} if tables is not None else {}
    if kind in SUBSAMPLING:
        extra[530] = Tag(SHORT, {"444": [1, 1], "422": [2, 1], "420": [2, 2]}[kind])
    return PageSpec(
        level.shape[1],
        level.shape[0],
        tile=(tile, tile),
        samples=1 if kind == "gray" else 3,
        photometric={"gray": 1, "rgb": 2}.get(kind, 6),
        compression=7,
        subfile_type=1 if exponent else 0,
        tags={**extra, **tags},
    )


def _placed(specs: list[PageSpec], streams: list[list[bytes]], start: int, *, big: bool) -> list[PageSpec]:
    """The pages with their tiles one after the other from `start`."""
    placed = []
    for spec, stream in zip(specs, streams, strict=True):
        offsets = []
        for one in stream:
            offsets.append(start)
            start += len(one)
        pieces = {324: Tag(LONG8 if big else LONG, offsets), 325: Tag(LONG, [len(one) for one in stream])}
        placed.append(PageSpec(**{**vars(spec), "tags": {**pieces, **spec.tags}}))
    return placed


def _tiles(level: Pixels, tile: int, kind: str, *, shared: bool) -> tuple[bytes, list[bytes]]:
    """JPEGTables, and each tile, padded at the ends of the image by its last pixels."""
    below, beside = -level.shape[0] % tile, -level.shape[1] % tile
    padded = np.pad(level, ((0, below), (0, beside), (0, 0)), mode="edge")
    tables, tiles = b"", []
    for y in range(0, padded.shape[0], tile):
        for x in range(0, padded.shape[1], tile):
            tables, stream = _abbreviated(_encoded(padded[y : y + tile, x : x + tile], kind), shared=shared)
            tiles.append(stream)
    return tables, tiles


def _encoded(pixels: Pixels, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "gray":
        Pillow.fromarray(pixels[:, :, 0]).save(buffer, "JPEG", quality=88)
    elif kind == "rgb":
        Pillow.fromarray(pixels).save(buffer, "JPEG", quality=88, keep_rgb=True)
    else:
        Pillow.fromarray(pixels).save(buffer, "JPEG", quality=88, subsampling=SUBSAMPLING[kind])
    return buffer.getvalue()


def segments(stream: bytes) -> Sequence[tuple[int, bytes]]:
    """Marker and bytes of each segment; the last one is SOS with all that follows."""
    found: list[tuple[int, bytes]] = []
    position = 2
    while not found or found[-1][0] != 0xDA:
        marker = stream[position + 1]
        stop = position + 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        found.append((marker, stream[position : None if marker == 0xDA else stop]))
        position = stop
    return found


def _abbreviated(stream: bytes, *, shared: bool) -> tuple[bytes, bytes]:
    tables = b"".join(data for marker, data in segments(stream) if marker in {0xDB, 0xC4})
    moved = {0xDB, 0xC4, 0xE0, 0xEE} if shared else {0xE0, 0xEE}
    rest = b"".join(data for marker, data in segments(stream) if marker not in moved)
    return b"\xff\xd8" + tables + b"\xff\xd9", b"\xff\xd8" + rest
