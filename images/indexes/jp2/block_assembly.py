"""Puts new packets together from single code-blocks."""

from itertools import chain

from images.indexes.jp2.block_map import BlockMap, cut
from images.indexes.jp2.chunks import Chunks
from images.indexes.jp2.header_writing import PLACE_ROW, BandBlocks, Segments, write_header
from images.indexes.jp2.packet_headers import has_segments
from images.indexes.jp2.recipes import BandRecipe, BlockRecipe, PacketRecipe

_EMPTY = b"\x00"


def write_packets(recipe: BlockRecipe, chunks: Chunks) -> list[bytes | memoryview]:
    """All packets of a tile, each as its header and its pieces."""
    written: list[bytes | memoryview] = []
    for packet in recipe.packets:
        bands = [_band(recipe, packet, band) for band in packet.bands]
        if not any(band.places for band in bands):
            written.append(_EMPTY)
            continue
        written.append(write_header(bands))
        for band in packet.bands:
            _add_bodies(written, recipe, band, chunks)
    return written


def _band(recipe: BlockRecipe, packet: PacketRecipe, band: BandRecipe) -> BandBlocks:
    """What the layers that are kept say together of the blocks of a band."""
    all_planes = recipe.source.blocks.zero_bit_planes
    places: list[int] = []
    numbers: list[int] = []
    planes: list[int] = []
    passes: list[int] = []
    lengths: list[int] = []
    for (row, column), runs in band.lines:
        place = row << PLACE_ROW | column
        for run in runs:
            run_passes, run_lengths = recipe.source.totals(run, recipe.layers)
            passes += run_passes
            lengths += run_lengths
            planes += all_planes[run.start : run.stop]
            numbers += run
        places += range(place, place + len(numbers) - len(places))
    if 0 in passes:
        kept = [at for at, each in enumerate(passes) if each]
        places, numbers, planes, passes, lengths = (
            [each[at] for at in kept] for each in (places, numbers, planes, passes, lengths)
        )
    segments: list[Segments] = []
    if has_segments(packet.flags):
        segments = [_segments(recipe.source, recipe.layers, number, packet.flags) for number in numbers]
    return BandBlocks(band.across, band.down, places, planes, passes, lengths, segments)


def _segments(source: BlockMap, layers: int, block: int, flags: int) -> Segments:
    """The codeword segments of a block: what several layers add to one is one."""
    found: list[list[int]] = []
    before = 0
    for layer in range(layers):
        at = layer * source.count + block
        passes = source.blocks.passes[at]
        if not passes:
            continue
        start = source.segment_starts[at]
        counts = cut(before, passes, flags)
        for added, length in zip(counts, source.blocks.segments[start : start + len(counts)], strict=True):
            is_open = found and len(cut(before - 1, 2, flags)) == 1
            if is_open:
                found[-1][0] += added
                found[-1][1] += length
            else:
                found.append([added, length])
            before += added
    return [(added, length) for added, length in found]


def _add_bodies(written: list[bytes | memoryview], recipe: BlockRecipe, band: BandRecipe, chunks: Chunks) -> None:
    """The bytes of each block, of all layers one after the other."""
    source = recipe.source
    lengths = source.blocks.lengths
    bases = [layer * source.count for layer in range(recipe.layers)]
    view, start, end = memoryview(b""), 0, 0
    for _, runs in band.lines:
        for run in runs:
            offsets = source.offsets(run.start)
            pieces: list[list[memoryview]] = []
            for base in bases:
                first, stop = base + run.start, base + run.stop
                at, last = offsets[first], offsets[stop - 1] + lengths[stop - 1]
                if at == last:
                    continue
                if not start <= at < end:
                    view, start, end = chunks.at(at)
                places = map(start.__rsub__, offsets[first:stop])
                pieces.append(
                    [view[place : place + length] for place, length in zip(places, lengths[first:stop], strict=True)]
                    if len(bases) > 1
                    else [view[at - start : last - start]]
                )
            if len(pieces) == 1:
                written += pieces[0]
            else:
                written += chain.from_iterable(zip(*pieces, strict=True))
