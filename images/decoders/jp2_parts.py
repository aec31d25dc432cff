"""Decode a large region from the packets of one piece after the other: which requests gain by it, and their pieces."""

from dataclasses import replace

from images.decoders.cuts import Cuts, Piece, Span, TileGrid, at_once, cut_pieces
from images.decoders.jp2_sparse import Method, SparseDecode, find_sparse
from images.decoders.plan import DecodePlan
from images.decoders.resample import Axis
from images.iiif.geometry import Region
from images.indexes.description import Level, SourceFormat
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.reads import DISK_GAP_BYTES
from images.indexes.jp2.sparse_plan import plan_region


def find_cuts(index: PacketIndex, plan: DecodePlan) -> Cuts | None:
    """The pieces in which `plan` is decoded; None where it is decoded at once, or better from the file itself.

    The piece in the middle stands for all others.
    """
    if plan.source_format is not SourceFormat.JP2 or plan.shrink != 1 or index.is_high_throughput:
        return None
    tiles = _tiles(index, plan.level.reduction)
    samples = len(index.size.components)
    area = plan.level.width * plan.level.height if tiles is None else tiles.width * tiles.height
    cuts = cut_pieces(plan.horizontal, plan.vertical, samples, tiles, at_once(samples * area))
    if len(cuts) == 1:
        return None
    middle = cuts.strips // 2 * cuts.across + cuts.across // 2
    return cuts if find_sparse(index, _narrowed(plan, cuts.piece(middle))) else None


def piece_decode(index: PacketIndex, plan: DecodePlan, piece: Piece, gap_bytes: int = DISK_GAP_BYTES) -> SparseDecode:
    """What to read for a piece, and the plan that gives the piece alone, before it is scaled."""
    narrowed = _narrowed(plan, piece)
    return find_sparse(index, narrowed, gap_bytes) or _from_packets(index, narrowed, gap_bytes)


def _narrowed(plan: DecodePlan, piece: Piece) -> DecodePlan:
    return replace(plan, horizontal=_part(plan.horizontal, piece.columns), vertical=_part(plan.vertical, piece.rows))


def _part(axis: Axis, span: Span) -> Axis:
    return replace(axis, start=axis.start + span[0], length=span[1] - span[0])


def _from_packets(index: PacketIndex, plan: DecodePlan, gap_bytes: int) -> SparseDecode:
    """Whatever it costs."""
    margin = max((step for each in index.size.components for step in (each.dx, each.dy) if step > 1), default=0)
    left, right = _widened(plan.horizontal, margin, plan.level.width)
    top, bottom = _widened(plan.vertical, margin, plan.level.height)
    region = Region(left, top, right - left, bottom - top)
    sparse = plan_region(index, region, plan.level.reduction, plan.layers, gap_bytes)
    level = Level(sparse.width, sparse.height, reduction=sparse.reduction)
    horizontal = replace(plan.horizontal, start=plan.horizontal.start - sparse.x)
    vertical = replace(plan.vertical, start=plan.vertical.start - sparse.y)
    return SparseDecode(Method.PACKETS, sparse, replace(plan, level=level, horizontal=horizontal, vertical=vertical))


def _widened(axis: Axis, margin: int, level: int) -> Span:
    return max(0, axis.start - margin), min(level, axis.start + axis.length + margin)


def _tiles(index: PacketIndex, reduction: int) -> TileGrid | None:
    size = index.size
    if size.tile_count == 1:
        return None
    return TileGrid(
        ceil_shift(size.tile_left, reduction) - ceil_shift(size.left, reduction),
        ceil_shift(size.tile_top, reduction) - ceil_shift(size.top, reduction),
        size.tile_width >> reduction,
        size.tile_height >> reduction,
    )
