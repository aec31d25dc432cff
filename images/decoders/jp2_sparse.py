"""Decode from the packets that a region needs instead of from the file: which requests gain by it, and their plan."""

from dataclasses import dataclass, replace

from images.decoders.plan import DecodePlan
from images.iiif.geometry import Region
from images.indexes.description import Level, SourceFormat
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.sparse_plan import DISK_GAP_BYTES, SparsePlan, kept_bytes, plan_region, touched_tiles

MAX_TILES = 1_024
"""That a region may touch: their packets are counted before anything is read, half a millisecond a tile."""
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of packets that are held in memory; a decoder reads more than that better from the file itself."""


@dataclass(frozen=True, slots=True)
class SparseDecode:
    """What to read of the source, and the plan for the codestream that is made of it."""

    sparse: SparsePlan
    plan: DecodePlan


def find_sparse(index: PacketIndex, plan: DecodePlan, gap_bytes: int = DISK_GAP_BYTES) -> SparseDecode | None:
    """How to answer `plan` from single packets; None where the ordinary decode is as cheap.

    Packets that are kept are read, copied and sent to the decoder; of those left out the ordinary decode reads most,
    to find its way. So it pays as soon as more is left out than is kept. High throughput code-blocks (T.814) are
    always decoded in the ordinary way: without a decode area nearly all of the work remains.
    """
    if plan.source_format is not SourceFormat.JP2 or plan.shrink != 1 or index.is_high_throughput:
        return None
    region = _needed_region(index, plan)
    reduction = plan.level.reduction
    if touched_tiles(index, region, reduction) > MAX_TILES:
        return None
    kept = kept_bytes(index, region, reduction)
    if kept > MAX_KEPT_BYTES or 2 * kept > index.codestream_bytes:
        return None
    sparse = plan_region(index, region, reduction, gap_bytes=gap_bytes)
    level = Level(sparse.width, sparse.height, reduction=sparse.reduction)
    horizontal = replace(plan.horizontal, start=plan.horizontal.start - sparse.x)
    vertical = replace(plan.vertical, start=plan.vertical.start - sparse.y)
    return SparseDecode(sparse, replace(plan, level=level, horizontal=horizontal, vertical=vertical))


def _needed_region(index: PacketIndex, plan: DecodePlan) -> Region:
    """What the plan reads of its level, with the margin that `jp2` adds on each side where components are coarser."""
    dx, dy = (max(steps) for steps in zip(*((each.dx, each.dy) for each in index.size.components), strict=True))
    left, right = _widened(plan.horizontal.start, plan.horizontal.length, dx, plan.level.width)
    top, bottom = _widened(plan.vertical.start, plan.vertical.length, dy, plan.level.height)
    return Region(left, top, right - left, bottom - top)


def _widened(start: int, length: int, step: int, level: int) -> tuple[int, int]:
    margin = step if step > 1 else 0
    return max(0, start - margin), min(level, start + length + margin)
