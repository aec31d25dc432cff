"""What is planned of a codestream: the ranges to read, and the tile-parts to build of them."""

from dataclasses import dataclass

from images.indexes.jp2.block_map import BlockMap
from images.indexes.jp2.markers import ImageSize
from images.indexes.jp2.packet_index import TileMap
from images.indexes.ranges import ByteRange


@dataclass(frozen=True, slots=True)
class TileRecipe:
    """A tile-part to build: its number, the segments of its header, and its packets in their new order.

    `packets`: numbers of packets of `source` that are kept, or bytes to write as they are. `empty`: an empty packet.
    """

    number: int
    header: bytes
    source: TileMap
    packets: tuple[bytes | range, ...]
    empty: bytes


@dataclass(frozen=True, slots=True)
class BandRecipe:
    """One band of a new packet: a grid of `across` by `down` code-blocks.

    `lines`: in each row where blocks are kept, row and column of the first, and the runs of their numbers in the index.
    """

    across: int
    down: int
    lines: tuple[tuple[tuple[int, int], tuple[range, ...]], ...]


@dataclass(frozen=True, slots=True)
class PacketRecipe:
    """A packet to write. `flags`: the style of its code-blocks."""

    flags: int
    bands: tuple[BandRecipe, ...]


@dataclass(frozen=True, slots=True)
class BlockRecipe:
    """A tile-part to build of single code-blocks: its number, the segments of its header, and its packets.

    `layers`: how many of `source` count.
    """

    number: int
    header: bytes
    source: BlockMap
    layers: int
    packets: tuple[PacketRecipe, ...]


@dataclass(frozen=True, slots=True)
class SparsePlan:
    """What to read and what to make of it.

    `ranges`: in ascending order, of the source. `size`: SIZ of the new codestream. `reduction`: resolutions that the
    decoder has still to leave out. `x`, `y`: where the new image begins in the level that was asked for, `width` and
    `height` what it has of it; pixels. `needed_bytes`: of what is kept of the source.
    """

    jp2_header: bytes
    main_header: bytes
    tiles: tuple[TileRecipe, ...] | tuple[BlockRecipe, ...]
    ranges: tuple[ByteRange, ...]
    size: ImageSize
    reduction: int
    x: int
    y: int
    width: int
    height: int
    needed_bytes: int
