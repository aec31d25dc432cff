"""How a large rectangle is cut so that it can be decoded bit by bit: strips from the top, each in pieces. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from images.decoders.resample import Axis
from images.iiif.geometry import Region

AT_ONCE_SAMPLES = 12_000_000
"""Decoded at a time, at the most."""

_LEAST_AT_ONCE_SAMPLES = 4_000_000

_STRIP_ROWS = 256
"""That are decoded between two looks at what tiles are there."""

_BLOCK_LENGTH = 512
"""The same where the codestream is in tiles that are no longer."""

_DECODER_BYTES = 340_000_000
"""Of OpenJPEG, where a tile has no more than a gigasample."""

_SAMPLE_BYTES = 24
"""Of OpenJPEG, for each sample of a region of a tile while it decodes it."""

_WHOLE_TILE_SAMPLE_BYTES = 8
"""The same for whole tiles."""

_TILE_SAMPLE_BYTES = 0.23
"""Of OpenJPEG, for each sample of the tile that a region is in: it keeps 700 bytes for each code-block of 64 × 64."""

STRIP_BYTES = 100_000_000
"""Of the strip that is filled piece by piece: a row of tiles of 1024 pixels across 30,000 pixels of three colours."""

_LEAST_ROWS = 64
_ROWS_BEFORE_THE_FIRST = 512
_STRIPS = 16
"""At least so many, where they are not too low: the first one is what a reader waits for."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TileGrid:
    """Tiles of a level, in pixels of it: `x`, `y` where the first one begins (0 or less), and their size."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Half-open, in pixels from the upper left of the rectangle."""

    columns: Span
    rows: Span


@dataclass(frozen=True, slots=True)
class Cuts:
    """`columns`, `rows`: where pieces begin, and where the last one ends; ascending from 0.

    Pieces are numbered from the left to the right and then downwards.
    """

    columns: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def across(self) -> int:
        return len(self.columns) - 1

    @property
    def strips(self) -> int:
        return len(self.rows) - 1

    def __len__(self) -> int:
        return self.across * self.strips

    def piece(self, number: int) -> Piece:
        row, column = divmod(number, self.across)
        return Piece((self.columns[column], self.columns[column + 1]), (self.rows[row], self.rows[row + 1]))

    def strip(self, row: int) -> Iterator[tuple[int, Piece]]:
        """The pieces of a strip with their numbers."""
        for number in range(row * self.across, (row + 1) * self.across):
            yield number, self.piece(number)


def at_once(tile_samples: int) -> int:
    """How many samples are decoded at a time of an image in tiles of so many at the level."""
    room = (_DECODER_BYTES - tile_samples * _TILE_SAMPLE_BYTES) / _SAMPLE_BYTES
    return min(AT_ONCE_SAMPLES, max(_LEAST_AT_ONCE_SAMPLES, int(room)))


def decoder_bytes(tile_samples: int, *, is_tiled: bool) -> int:
    """What OpenJPEG takes at the most while pieces are decoded."""
    if is_tiled:
        return max(AT_ONCE_SAMPLES, tile_samples) * _WHOLE_TILE_SAMPLE_BYTES
    return int(at_once(tile_samples) * _SAMPLE_BYTES + tile_samples * _TILE_SAMPLE_BYTES)


def strip_bytes(width: int, height: int, samples: int) -> int:
    """About what a strip takes."""
    return min(STRIP_BYTES, width * samples * max(_ROWS_BEFORE_THE_FIRST, height // _STRIPS))


def cut_rows(horizontal: Axis, vertical: Axis, samples: int, tiles: TileGrid | None, most: int) -> Cuts:
    """Strips of the whole width, each decoded at once: for what is decoded from the source itself.

    `samples`: of each pixel; `most` are decoded at once. Strips end where rows of tiles end, if tiles are low enough.
    """
    rows = max(_LEAST_ROWS, most // (horizontal.length * samples))
    return Cuts((0, horizontal.length), _positions(vertical, rows, *_along_y(tiles)))


def cut_pieces(horizontal: Axis, vertical: Axis, samples: int, tiles: TileGrid | None, most: int) -> Cuts:
    """Strips as high as memory allows, in pieces that are decoded at once: for what is decoded from parts of a source.

    The higher a piece is, the less is decoded twice at its borders.
    """
    if horizontal.length * vertical.length * samples <= most:
        return Cuts((0, horizontal.length), (0, vertical.length))
    highest = max(1, STRIP_BYTES // (horizontal.length * samples))
    rows = min(highest, max(_ROWS_BEFORE_THE_FIRST, vertical.length // _STRIPS))
    if tiles is not None and tiles.height <= highest:
        rows = max(rows, tiles.height)
    rows = max(_LEAST_ROWS, rows)
    columns = max(_LEAST_ROWS, most // (min(rows, vertical.length) * samples))
    return Cuts(
        _positions(horizontal, columns, *_along_x(tiles)),
        _positions(vertical, rows, *_along_y(tiles)),
    )


def _positions(axis: Axis, step: int, origin: int = 0, tile: int = 0) -> tuple[int, ...]:
    """Cuts at most `step` apart: where tiles of the level end, else code-blocks as most files have them."""
    if axis.length <= step:
        return 0, axis.length
    unit = tile
    if not 0 < tile <= step:
        origin, unit = 0, min(_LEAST_ROWS, step)
    count = -(-axis.length // (step - step % unit))
    step = -(-axis.length // count)  # of even length
    step += -step % unit
    cuts = [0]
    while cuts[-1] < axis.length:
        following = axis.start + cuts[-1] + step
        following -= (following - origin) % unit
        cuts.append(min(following - axis.start, axis.length))
    return tuple(cuts)


def _along_x(tiles: TileGrid | None) -> Span:
    return (0, 0) if tiles is None else (tiles.x, tiles.width)


def _along_y(tiles: TileGrid | None) -> Span:
    return (0, 0) if tiles is None else (tiles.y, tiles.height)


def around(regions: Sequence[Region]) -> Region:
    """The least rectangle that holds all of them."""
    left, top = min(each.x for each in regions), min(each.y for each in regions)
    right, bottom = max(each.x + each.width for each in regions), max(each.y + each.height for each in regions)
    return Region(left, top, right - left, bottom - top)


def strips_of(cuts: Sequence[Region]) -> list[Region]:
    """The first cut; then strips with all others, so that tiles leave while the next strip is decoded.

    Strips follow each other from the end that is nearer to the first cut: each shares its border with the one before.
    """
    first = cuts[0]
    if len(cuts) == 1:
        return [first]
    rows: dict[int, list[Region]] = {}
    for cut in cuts:
        rows.setdefault(cut.y // _STRIP_ROWS, []).append(cut)
    row = first.y // _STRIP_ROWS
    goes_up = row - min(rows) > max(rows) - row
    return [first, *(around(rows[row]) for row in sorted(rows, reverse=goes_up) if rows[row] != [first])]


def blocks_of(cuts: Sequence[Region], tiles: TileGrid, left: int, top: int) -> list[Region]:
    """Areas that hold the cuts, the one with the first cut first: a tile of the codestream each, or several small ones.

    Where tiles end within cuts, all that lies side by side. `left`, `top`: where the cuts count from, in pixels of the
    level.
    """
    width, height = _block_length(tiles.width), _block_length(tiles.height)
    starts = [left + cut.x - tiles.x for cut in cuts]
    is_aligned = all(
        start // width == (start + cut.width - 1) // width for start, cut in zip(starts, cuts, strict=True)
    )
    blocks: dict[tuple[int, int], list[Region]] = {}
    for start, cut in zip(starts, cuts, strict=True):
        place = start // width if is_aligned else 0, (top + cut.y - tiles.y) // height
        blocks.setdefault(place, []).append(cut)
    return [around(block) for block in blocks.values()]


def _block_length(tile: int) -> int:
    tile = max(1, tile)
    return tile * max(1, _BLOCK_LENGTH // tile)
