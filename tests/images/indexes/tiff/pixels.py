"""TIFFs of plain pixels in tiles, written without libtiff: in both byte orders, with whatever tags."""

import zlib

import numpy as np
import numpy.typing as npt

from tests.images.indexes.tiff.writer import LONG, LONG8, SHORT, PageSpec, Tag, write_tiff

Pixels = npt.NDArray[np.uint8]
NONE = 1


def pixel_tiff(
    pixels: Pixels,
    tile: int,
    compression: int,
    *,
    levels: int = 1,
    order: str = "<",
    big: bool = False,
    tags: dict[int, Tag | None] | None = None,
    level: int = 6,
) -> bytes:
    """Deflated tiles hold differences (Predictor 2), packed with the effort `level`.

    Levels are made by leaving out pixels, so they are rounded up.
    """
    has_differences = compression != NONE
    pages: list[tuple[PageSpec, list[bytes]]] = []
    for exponent in range(levels):
        part = pixels[:: 1 << exponent, :: 1 << exponent]
        spec = PageSpec(
            part.shape[1],
            part.shape[0],
            tile=(tile, tile),
            samples=part.shape[2],
            photometric=2 if part.shape[2] >= 3 else 1,
            compression=compression,
            subfile_type=1 if exponent else 0,
            tags={**({317: Tag(SHORT, [2])} if has_differences else {}), **(tags or {})},
        )
        pages.append((spec, _tiles(part, tile, effort=level if has_differences else None)))
    start = len(_written(pages, 16, order, big=big))
    return _written(pages, start, order, big=big) + b"".join(one for _, tiles in pages for one in tiles)


def _written(pages: list[tuple[PageSpec, list[bytes]]], start: int, order: str, *, big: bool) -> bytes:
    """The directories, with the tiles one after the other from `start`."""
    specs = []
    for spec, tiles in pages:
        lengths = [len(one) for one in tiles]
        offsets = [start + sum(lengths[:number]) for number in range(len(tiles))]
        start += sum(lengths)
        places = {324: Tag(LONG8 if big else LONG, offsets), 325: Tag(LONG, lengths)}
        specs.append(PageSpec(**{**vars(spec), "tags": {**places, **spec.tags}}))
    return write_tiff(*specs, order=order, big=big)


def _tiles(part: Pixels, tile: int, *, effort: int | None) -> list[bytes]:
    padded = np.pad(part, ((0, -part.shape[0] % tile), (0, -part.shape[1] % tile), (0, 0)), mode="edge")
    tiles = []
    for y in range(0, padded.shape[0], tile):
        for x in range(0, padded.shape[1], tile):
            piece = padded[y : y + tile, x : x + tile].copy()
            if effort is not None:
                piece[:, 1:] -= piece[:, :-1].copy()
            tiles.append(piece.tobytes() if effort is None else zlib.compress(piece.tobytes(), effort))
    return tiles
