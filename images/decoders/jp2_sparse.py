"""Decode from the parts of a source that a region needs instead of from the file: which requests gain by it, and how.

Three ways lead to the same samples: the ordinary decode of the region from the file; single packets in the tiles that
the region touches, with all others empty (`images.indexes.jp2.sparse_plan`); and single code-blocks in a window
(`images.indexes.jp2.block_plan`). All three decode the same code-blocks. What differs is what comes with that, and it
is what `_costs` compares.
"""

import enum
from dataclasses import dataclass, replace

from images.decoders.estimate import MAX_WHOLE_PIXELS
from images.decoders.plan import DecodePlan
from images.iiif.geometry import Region
from images.indexes.description import Level, SourceFormat
from images.indexes.jp2 import markers
from images.indexes.jp2.block_plan import Window, find_window, plan_window
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.reads import DISK_GAP_BYTES, REMOTE_GAP_BYTES
from images.indexes.jp2.recipes import SparsePlan
from images.indexes.jp2.sparse_plan import kept_bytes, plan_region, touched_pixels, touched_tiles

MAX_TILES = 1_024
"""That a region may touch: their packets are counted before anything is read, half a millisecond a tile."""
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of what is held in memory; a decoder reads more than that better from the file itself."""
MAX_BLOCKS = 50_000
"""Of a window: it takes a quarter of a second to write their headers."""

# Milliseconds of one processor: medians of regions of 256, 512 and 1024 pixels at levels 0, 1, 2, 4 and 6 of 12000 ×
# 9000 pixels in three colours and five layers, with and without precincts (OpenJPEG 2.5.4, 2 virtual processors).
_MEGAPIXEL_MS = 0.2
"""Of canvas at its level: the decoder makes a record of each code-block, whether it holds anything or not."""
_MEGABYTE_MS = 2.5
"""To read, copy and pass over: 1.2 from a page cache (32 megabytes: 38 ms), and what disks add."""
_REMOTE_MEGABYTE_MS = 20.0
"""To wait for, over a network with 50 megabytes a second."""
_KILOBYTE_BESIDE_MS = 0.1
"""Of code-blocks that a decoder decodes for nothing: around a region it takes two samples of each band where the 5/3
filter needs one on one side, which is often another row and column of blocks. A window leaves them empty."""
_PACKETS_MS = 0.5
"""To plan and to put together a codestream of packets."""
_WINDOW_MS = 2.2
"""The same for a window: 3.7 ms with 300 code-blocks, 9.5 with 1,500."""
_BLOCK_MS = 0.007
"""For each code-block of a window, to write what the header says of it and to copy its bytes: 0.005, and up to 0.013
where small precincts make small blocks and many packets."""


class Method(enum.StrEnum):
    """What is kept of the source."""

    PACKETS = "packets"
    CODE_BLOCKS = "code-blocks"


@dataclass(frozen=True, slots=True)
class SparseDecode:
    """What to read of the source, and the plan for the codestream that is made of it."""

    method: Method
    sparse: SparsePlan
    plan: DecodePlan

    @property
    def needed_bytes(self) -> int:
        """Of what is kept."""
        return self.sparse.needed_bytes

    @property
    def read_bytes(self) -> int:
        """With what lies between."""
        return sum(each.length for each in self.sparse.ranges)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A region of a level, and what a gap in the source costs there."""

    region: Region
    reduction: int
    gap_bytes: int

    @property
    def is_remote(self) -> bool:
        return self.gap_bytes >= REMOTE_GAP_BYTES

    @property
    def megabyte_ms(self) -> float:
        return _MEGABYTE_MS + (_REMOTE_MEGABYTE_MS if self.is_remote else 0)


def find_sparse(index: PacketIndex, plan: DecodePlan, gap_bytes: int = DISK_GAP_BYTES) -> SparseDecode | None:
    """How to answer `plan` from parts of the source; None where the ordinary decode is as cheap.

    `gap_bytes`: between two needed stretches that are rather read than stepped over, by the kind of the source.
    """
    if plan.source_format is not SourceFormat.JP2 or plan.shrink != 1:
        return None
    wish = _Wish(_needed_region(index, plan), plan.level.reduction, gap_bytes)
    window = _usable_window(index, wish)
    costs = _costs(index, wish, window)
    if not costs:
        return None
    method = min(costs, key=lambda each: costs[each])
    if method is Method.CODE_BLOCKS and window is not None:
        sparse = plan_window(index, window, wish.region, wish.reduction, plan.layers, gap_bytes)
        layers = None
    else:
        sparse = plan_region(index, wish.region, wish.reduction, plan.layers, gap_bytes)
        layers = plan.layers
    if sparse.needed_bytes > MAX_KEPT_BYTES:
        return None
    level = Level(sparse.width, sparse.height, reduction=sparse.reduction)
    horizontal = replace(plan.horizontal, start=plan.horizontal.start - sparse.x)
    vertical = replace(plan.vertical, start=plan.vertical.start - sparse.y)
    carried_out = replace(plan, level=level, horizontal=horizontal, vertical=vertical, layers=layers)
    return SparseDecode(method, sparse, carried_out)


def _costs(index: PacketIndex, wish: _Wish, window: Window | None) -> dict[Method, float]:
    """Milliseconds that each way takes that pays at all, beside the decoding of the code-blocks."""
    costs: dict[Method, float] = {}
    kept = _usable_packets(index, wish)
    if kept is not None:
        pixels = touched_pixels(index, wish.region, wish.reduction)
        costs[Method.PACKETS] = _PACKETS_MS + _MEGAPIXEL_MS * pixels / 1e6 + wish.megabyte_ms * kept / 1e6
        if window is not None and window.blocks and index.style.default.transform == markers.REVERSIBLE:
            costs[Method.PACKETS] += _KILOBYTE_BESIDE_MS * kept / 1e3 * window.blocks_beside / window.blocks
    if window is not None:
        read = index.codestream_bytes * window.blocks / max(1, index.block_count)
        cost = _WINDOW_MS + _BLOCK_MS * window.blocks + _MEGAPIXEL_MS * window.pixels / 1e6
        cost += wish.megabyte_ms * read / 1e6
        size = index.size
        ordinary = _MEGAPIXEL_MS * size.width * size.height / 1e6 + wish.megabyte_ms * index.codestream_bytes / 1e6
        if cost < ordinary or index.is_high_throughput:
            costs[Method.CODE_BLOCKS] = cost
    return costs


def _usable_packets(index: PacketIndex, wish: _Wish) -> int | None:
    """Bytes of the packets that the region needs, if it pays to keep them.

    They are read, copied and sent to the decoder; of those left out the ordinary decode reads most, to find its way. So
    it pays as soon as more is left out than is kept; over a network, where what is left out need not come at all, as
    soon as anything is. High throughput code-blocks are decoded without a decode area
    (OpenJPEG gives wrong samples there), so all of the tiles touched; of an image of one tile that is no use.
    """
    if index.is_high_throughput and not _decodes_whole(index, touched_pixels(index, wish.region, wish.reduction)):
        return None
    if index.is_high_throughput and index.size.tile_count == 1:
        return None
    if touched_tiles(index, wish.region, wish.reduction) > MAX_TILES:
        return None
    kept = kept_bytes(index, wish.region, wish.reduction)
    most = index.codestream_bytes if wish.is_remote else index.codestream_bytes // 2
    return kept if kept <= min(most, MAX_KEPT_BYTES) else None


def _usable_window(index: PacketIndex, wish: _Wish) -> Window | None:
    window = find_window(index, wish.region, wish.reduction)
    if window is None or window.blocks > MAX_BLOCKS:
        return None
    return window if not index.is_high_throughput or _decodes_whole(index, window.pixels) else None


def _decodes_whole(index: PacketIndex, pixels: int) -> bool:
    """Whether the decoder sees that it has to decode all of a codestream, and may: the main header tells it."""
    is_told = bool(
        index.size.profile & markers.HIGH_THROUGHPUT_PROFILE
        or index.style.default.flags & markers.HIGH_THROUGHPUT_BLOCKS
    )
    return is_told and pixels <= MAX_WHOLE_PIXELS


def _needed_region(index: PacketIndex, plan: DecodePlan) -> Region:
    """What the plan reads of its level, with the margin that `jp2` adds on each side where components are coarser."""
    dx, dy = (max(steps) for steps in zip(*((each.dx, each.dy) for each in index.size.components), strict=True))
    left, right = _widened(plan.horizontal.start, plan.horizontal.length, dx, plan.level.width)
    top, bottom = _widened(plan.vertical.start, plan.vertical.length, dy, plan.level.height)
    return Region(left, top, right - left, bottom - top)


def _widened(start: int, length: int, step: int, level: int) -> tuple[int, int]:
    margin = step if step > 1 else 0
    return max(0, start - margin), min(level, start + length + margin)
