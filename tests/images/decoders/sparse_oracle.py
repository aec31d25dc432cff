"""The ordinary decode of a region from a whole file, and the same from a sparse codestream; sample by sample."""

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from images.decoders import jp2, jp2_library
from images.decoders.jp2_header import Codestream, read_header
from images.decoders.jp2_sparse import Method
from images.decoders.source import SourceData
from images.iiif.geometry import Region
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.block_plan import find_window, plan_window
from images.indexes.jp2.geometry import ceil_shift
from images.indexes.jp2.indexing import Indexed, index_packets, reads_and_bytes
from images.indexes.jp2.packet_index import PacketIndex
from images.indexes.jp2.recipes import SparsePlan
from images.indexes.jp2.sparse_plan import plan_region
from images.indexes.limits import SourceLimits
from images.indexes.parsing import run

Planes = list[npt.NDArray[np.int32]]


@dataclass(frozen=True)
class Cut:
    """A region of the level that `reduction` leaves."""

    reduction: int
    region: Region


def indexed(data: bytes, limits: SourceLimits | None = None) -> Indexed:
    """As ingest does; stored and read back."""
    limits = limits or SourceLimits()
    max_reads, max_bytes = reads_and_bytes(len(data), limits)
    found = run(
        index_packets(len(data), limits, blocks_from_pixels=0),
        lambda start, length: data[start : start + length],
        max_reads=max_reads,
        max_bytes=max_bytes,
    )
    return Indexed(PacketIndex.from_bytes(found.index.to_bytes())) if found.index else found


def fewest_levels(index: PacketIndex) -> int:
    components = range(len(index.size.components))
    styles = [index.style_of(number) for number in index.tiles]
    return min(style.of(component).levels for style in styles for component in components)


def random_cuts(index: PacketIndex, count: int, seed: int = 1) -> list[Cut]:
    """Small and large regions at every reduction; now and then a whole level."""
    chance = random.Random(seed)
    cuts = []
    for number in range(count):
        reduction = number % (fewest_levels(index) + 1)
        width = ceil_shift(index.size.right, reduction) - ceil_shift(index.size.left, reduction)
        height = ceil_shift(index.size.bottom, reduction) - ceil_shift(index.size.top, reduction)
        if not width or not height:
            continue
        wide = chance.randint(1, min(width, chance.choice((8, 64, 300, width))))
        high = chance.randint(1, min(height, chance.choice((8, 64, 300, height))))
        x, y = chance.randint(0, width - wide), chance.randint(0, height - high)
        cuts.append(Cut(reduction, Region(x, y, wide, high)))
    return cuts


def ordinary(data: bytes, cut: Cut) -> Planes:
    return _planes(data, cut.reduction, cut.region)


def sparse(
    data: bytes, index: PacketIndex, cut: Cut, gap_bytes: int = 1_000, method: Method = Method.PACKETS
) -> Planes:
    plan = planned(data, index, cut, gap_bytes, method)
    made = assemble(plan, [data[wanted.start : wanted.stop] for wanted in plan.ranges])
    moved = Region(cut.region.x - plan.x, cut.region.y - plan.y, cut.region.width, cut.region.height)
    return _planes(made, plan.reduction, moved)


def planned(data: bytes, index: PacketIndex, cut: Cut, gap_bytes: int, method: Method) -> SparsePlan:
    region = with_margin(read_header(SourceData(data=data)).codestream, cut)
    if method is Method.PACKETS:
        return plan_region(index, region, cut.reduction, gap_bytes=gap_bytes)
    window = find_window(index, region, cut.reduction)
    assert window is not None
    return plan_window(index, window, region, cut.reduction, gap_bytes=gap_bytes)


def methods(index: PacketIndex) -> list[Method]:
    """Those that this codestream can be decoded by."""
    if index.is_high_throughput and index.size.tile_count == 1:
        return [Method.CODE_BLOCKS]
    return [Method.PACKETS, Method.CODE_BLOCKS] if index.has_blocks else [Method.PACKETS]


def with_margin(stream: Codestream, cut: Cut) -> Region:
    """What the decoder reads for a region: more where components are coarser."""
    grid = jp2._grid(stream, cut.reduction)
    area = jp2._area(stream, grid, *_spans(cut.region))
    left, top, right, bottom = (ceil_shift(edge, cut.reduction) for edge in area)
    return Region(left - grid.x, top - grid.y, right - left, bottom - top)


def _planes(data: bytes, reduction: int, region: Region) -> Planes:
    """Each component's samples for the pixels of a region, as the decoder takes them out of OpenJPEG's planes."""
    source = SourceData(data=data)
    stream = read_header(source).codestream
    grid = jp2._grid(stream, reduction)
    columns, rows = _spans(region)
    area = jp2._area(stream, grid, columns, rows) if stream.has_regions else None
    with jp2_library.decoded(source, stream.offset, stream.length, reduction, area) as image:
        return [jp2._plane(image, number, grid, columns, rows).copy() for number in range(image.numcomps)]


def _spans(region: Region) -> tuple[tuple[int, int], tuple[int, int]]:
    return (region.x, region.x + region.width), (region.y, region.y + region.height)


def differing(data: bytes, index: PacketIndex, cuts: list[Cut]) -> list[tuple[Method, Cut]]:
    """The cuts that don't come out the same by every method, sample by sample."""
    wrong = []
    for cut in cuts:
        expected = ordinary(data, cut)
        for method in methods(index):
            ours = sparse(data, index, cut, method=method)
            same = len(expected) == len(ours)
            if not same or not all(np.array_equal(*pair) for pair in zip(expected, ours, strict=True)):
                wrong.append((method, cut))
    return wrong
