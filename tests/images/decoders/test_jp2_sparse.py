"""Sparse codestreams against the ordinary decode of the whole file: not one sample may differ."""

import json
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.decoders import jp2_library, jp2_sparse
from images.decoders.execute import execute
from images.decoders.jp2_header import read_header
from images.decoders.jp2_sparse import Method, SparseDecode, find_sparse
from images.decoders.plan import DecodePlan, plan
from images.decoders.source import SourceData
from images.iiif.geometry import Region
from images.indexes.description import SourceDescription
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.block_plan import find_window, plan_window, window_step
from images.indexes.jp2.precincts import band_spans
from images.indexes.jp2.reads import DISK_GAP_BYTES, REMOTE_GAP_BYTES
from images.indexes.jp2.sparse_plan import kept_bytes, plan_region
from tests.conftest import CORPUS
from tests.images.decoders import scenes
from tests.images.decoders.sparse_oracle import (
    Cut,
    differing,
    fewest_levels,
    indexed,
    ordinary,
    planned,
    random_cuts,
    sparse,
)
from tests.images.indexes.jp2 import writer
from tests.images.indexes.jp2.variants import HIGH_THROUGHPUT, VARIANTS, picture, variant
from tests.images.indexes.reading import read_jp2

FILES = sorted(
    path.relative_to(CORPUS).as_posix()
    for pattern in ("conformance/*.j*", "real/*.jp2", "reference/*.jp2")
    for path in CORPUS.glob(pattern)
)
FAIL_ORDINARILY = {"conformance/p1_05.j2k", "conformance/p1_06.j2k"}
"""OpenJPEG refuses small levels of these, whose tiles have no samples left there."""


@pytest.mark.parametrize("name", [*VARIANTS, *HIGH_THROUGHPUT])
def test_every_make_of_codestream(name: str) -> None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    assert index.has_blocks == (index.size.tile_count == 1)
    assert not differing(data, index, random_cuts(index, 10))


def test_components_of_their_own_styles() -> None:
    """COC and QCC for every component, and a COD that none goes by (T.800 A.6)."""
    data = variant("LRCP blocks 8, 4 resolutions")
    cod, qcd = data.index(b"\xff\x52"), data.index(b"\xff\x5c")
    style = data[cod + 9 : cod + 14]
    steps = data[qcd + 4 : qcd + 2 + int.from_bytes(data[qcd + 2 : qcd + 4], "big")]
    own = b"".join(
        writer.segment(0xFF53, bytes([component, 0]) + style) + writer.segment(0xFF5D, bytes([component]) + steps)
        for component in range(3)
    )
    end = qcd + 4 + len(steps)
    changed = data[: cod + 9] + bytes([style[0] + 1]) + data[cod + 10 : end] + own + data[end:]
    index = indexed(changed).index
    assert index is not None
    assert index.style.components[2].levels == style[0] == index.style.default.levels - 1
    assert not differing(changed, index, random_cuts(index, 20))


@pytest.mark.parametrize("name", [name for name in VARIANTS if "blocks" in name])
def test_windows_leave_most_of_the_image_out(name: str) -> None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    plan = planned(data, index, Cut(0, Region(200, 150, 20, 20)), 0, Method.CODE_BLOCKS)
    assert plan.width * plan.height < 416 * 312 / 2
    whole = plan_region(index, Region(200, 150, 20, 20), 0)
    assert plan.needed_bytes <= whole.needed_bytes
    assert plan.needed_bytes == sum(each.length for each in plan.ranges)


@pytest.mark.corpus
@pytest.mark.parametrize("name", FILES)
def test_every_file(corpus: Path, name: str) -> None:
    data = (corpus / name).read_bytes()
    index = indexed(data).index
    assert index is not None
    cuts = random_cuts(index, 15)
    if name in FAIL_ORDINARILY:
        cuts = [cut for cut in cuts if cut.reduction < 2]
    assert not differing(data, index, cuts)


@settings(max_examples=100)
@given(st.sampled_from(sorted(VARIANTS)), st.integers(0, 4), st.data())
def test_any_region(name: str, reduction: int, drawn: st.DataObject) -> None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    reduction = min(reduction, fewest_levels(index))
    stream = read_header(SourceData(data=data)).codestream
    width = -(-stream.x1 >> reduction) - -(-stream.x0 >> reduction)
    height = -(-stream.y1 >> reduction) - -(-stream.y0 >> reduction)
    x, y = drawn.draw(st.integers(0, width - 1)), drawn.draw(st.integers(0, height - 1))
    region = Region(x, y, drawn.draw(st.integers(1, width - x)), drawn.draw(st.integers(1, height - y)))
    assert not differing(data, index, [Cut(reduction, region)])


@pytest.mark.parametrize("gap_bytes", [0, 100, 1_000_000])
def test_gaps_change_the_reads_but_not_the_pixels(gap_bytes: int) -> None:
    data = variant("RPCL listed")
    index = indexed(data).index
    assert index is not None
    cut = Cut(0, Region(100, 80, 64, 64))
    ours, expected = sparse(data, index, cut, gap_bytes), ordinary(data, cut)
    assert all(np.array_equal(*pair) for pair in zip(ours, expected, strict=True))
    ranges = plan_region(index, cut.region, 0, gap_bytes=gap_bytes).ranges
    assert all(after.start - before.stop > gap_bytes for before, after in pairwise(ranges))
    assert (len(ranges) == 1) == (gap_bytes == 1_000_000)


@pytest.mark.parametrize("name", ["RPCL listed", "LRCP blocks 8, 4 resolutions", "small blocks, mode 5"])
@pytest.mark.parametrize("layers", [1, 2, 3, 9])
def test_fewer_layers_are_those_of_the_decoder(name: str, layers: int) -> None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    region = Region(100, 90, 60, 50)
    window = find_window(index, region, 0)
    assert window is not None
    plans = [plan_region(index, region, 0, layers=layers), plan_window(index, window, region, 0, layers=layers)]
    source = SourceData(data=data)
    with jp2_library.decoded(source, 0, len(data), 0, (100, 90, 160, 140), min(layers, 3)) as image:
        expected = [decoded_plane(image, number) for number in range(3)]
    for each in plans:
        made = assemble(each, [data[wanted.start : wanted.stop] for wanted in each.ranges])
        left, top = each.size.left + region.x - each.x, each.size.top + region.y - each.y
        assert (left, top) == (100, 90)
        with jp2_library.decoded(SourceData(data=made), 0, len(made), 0, (100, 90, 160, 140)) as image:
            ours = [decoded_plane(image, number) for number in range(3)]
        assert all(np.array_equal(*pair) for pair in zip(ours, expected, strict=True))


def decoded_plane(image: jp2_library.Image, number: int) -> npt.NDArray[np.int32]:
    component = image.comps[number]
    return np.ctypeslib.as_array(component.data, (component.h, component.w)).copy()


def test_fewer_layers_are_nearly_the_same_in_fewer_bytes() -> None:
    data = variant("RPCL listed")
    index = indexed(data).index
    assert index is not None
    region = Region(0, 0, 200, 200)
    whole, fewer = plan_region(index, region, 0), plan_region(index, region, 0, layers=2)
    assert fewer.needed_bytes < whole.needed_bytes
    made = assemble(fewer, [data[wanted.start : wanted.stop] for wanted in fewer.ranges])
    planes = scenes.component_planes(made)
    assert len(planes) == 3
    assert 0 < np.abs(planes[0][:200, :200] - picture()[:200, :200, 0].astype(int)).mean() < 30


def through(data: bytes, description: SourceDescription, found: SparseDecode) -> bytes:
    del description
    made = assemble(found.sparse, [data[wanted.start : wanted.stop] for wanted in found.sparse.ranges])
    carried_out = DecodePlan.from_json(json.loads(json.dumps(found.plan.to_json())))
    pieces: list[bytes] = []
    execute(carried_out, SourceData(data=made), pieces.append)
    return b"".join(pieces)


@pytest.mark.corpus
@pytest.mark.parametrize("name", [name for name in FILES if name not in FAIL_ORDINARILY])
def test_rendered_tiles_are_byte_for_byte_the_same(corpus: Path, name: str) -> None:
    """Through plan, colours, palette, scaling and encoder; where the packets are used at all."""
    data = (corpus / name).read_bytes()
    description = read_jp2(data)
    index = indexed(data).index
    assert index is not None
    for step in (1, 2, 5):
        for x, y in ((0, 0), (description.width // 3, description.height // 2)):
            width, height = min(96 * step, description.width - x), min(64 * step, description.height - y)
            size = (-(-width // step), -(-height // step))
            request = scenes.request((x, y, width, height), size)
            found = find_sparse(index, plan(description, request))
            if found is not None:
                expected = scenes.encoded(data, description, (x, y, width, height), size)
                assert through(data, description, found) == expected


def chosen(name: str, region: tuple[int, int, int, int], size: tuple[int, int], **options: int) -> SparseDecode | None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    return find_sparse(index, plan(read_jp2(data), scenes.request(region, size)), **options)


def test_the_way_is_chosen_by_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    tile = ((192, 128, 64, 64), (64, 64))
    assert chosen("LRCP blocks 8, 4 resolutions", *tile) is None, "a small image is read before a window is planned"
    monkeypatch.setattr(jp2_sparse, "_MEGAPIXEL_MS", 200.0)
    large = chosen("LRCP blocks 8, 4 resolutions", *tile)
    assert large is not None
    assert large.method is Method.CODE_BLOCKS
    assert large.plan.layers is None
    assert large.needed_bytes <= large.read_bytes
    assert large.needed_bytes < len(variant("LRCP blocks 8, 4 resolutions")) / 2
    tiled = chosen("RPCL offset tiles", *tile)
    assert tiled is not None
    assert tiled.method is Method.PACKETS
    monkeypatch.setattr(jp2_sparse, "MAX_BLOCKS", 10)
    assert chosen("LRCP blocks 8, 4 resolutions", *tile) is None


def test_bytes_weigh_more_over_a_network() -> None:
    index = indexed(variant("RPCL listed")).index
    assert index is not None
    region = Region(192, 128, 20, 20)
    kept = kept_bytes(index, region, 0)
    near, far = (
        jp2_sparse._costs(index, jp2_sparse._Wish(region, 0, gap_bytes), None)[Method.PACKETS]
        for gap_bytes in (DISK_GAP_BYTES, REMOTE_GAP_BYTES)
    )
    assert far - near == pytest.approx(20 * kept / 1e6)
    tile = ((192, 128, 20, 20), (20, 20))
    disk, remote = chosen("RPCL listed", *tile), chosen("RPCL listed", *tile, gap_bytes=REMOTE_GAP_BYTES)
    assert disk is not None
    assert remote is not None
    assert len(remote.sparse.ranges) < len(disk.sparse.ranges)


@pytest.mark.parametrize("name", HIGH_THROUGHPUT)
@pytest.mark.parametrize("step", [1, 2])
def test_high_throughput_tiles_are_byte_for_byte_the_same(name: str, step: int) -> None:
    """Decoded whole, since a decode area gives wrong samples: of a window, or of the tiles touched."""
    data = variant(name)
    description = read_jp2(data)
    index = indexed(data).index
    assert index is not None
    region, size = (60, 40, 40, 40), (40 // step, 40 // step)
    found = find_sparse(index, plan(description, scenes.request(region, size)))
    assert found is not None
    assert found.method is (Method.PACKETS if name == "tiled" else Method.CODE_BLOCKS)
    assert found.sparse.width * found.sparse.height < description.width * description.height / step**2
    assert through(data, description, found) == scenes.encoded(data, description, region, size)


def test_windows_that_are_too_large_are_left_to_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jp2_sparse, "MAX_WHOLE_PIXELS", 10_000)
    for name in HIGH_THROUGHPUT:
        assert chosen(name, (60, 40, 40, 40), (40, 40)) is None
    monkeypatch.setattr(jp2_sparse, "MAX_KEPT_BYTES", 100)
    assert chosen("RPCL listed", (100, 100, 64, 64), (64, 64)) is None


@pytest.mark.parametrize("name", HIGH_THROUGHPUT)
def test_windows_are_no_larger_than_was_planned_with(name: str) -> None:
    """What is estimated before the index is asked is never less than what is then decoded."""
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    step = window_step(index)
    assert step is not None
    description = read_jp2(data)
    description = replace(description, detail={**description.detail, "window": step.to_json()})
    for cut in random_cuts(index, 40, seed=5):
        factor = 1 << cut.reduction
        x, y = cut.region.x * factor, cut.region.y * factor
        width = min(cut.region.width * factor, description.width - x)
        height = min(cut.region.height * factor, description.height - y)
        made = plan(description, scenes.request((x, y, width, height), (-(-width // factor), -(-height // factor))))
        found = find_sparse(index, made)
        if found is not None:
            assert found.sparse.width * found.sparse.height <= made.pixels


@pytest.mark.parametrize("transform", [0, 1])
def test_no_window_reaches_further_than_is_planned_with(transform: int) -> None:
    """Every sample of every band that a region depends on, on the reference grid."""
    index = indexed(variant(HIGH_THROUGHPUT[0])).index
    assert index is not None
    step = window_step(index)
    assert step is not None
    default = index.style.default
    reach = step.margin[0] >> default.levels
    chance = random.Random(7)
    for _ in range(2_000):
        depth = chance.randint(1, 7)
        left, right = chance.randint(0, 999), chance.randint(20_000, 99_999)
        start = chance.randint(left, right - 1)
        stop = chance.randint(start + 1, right)
        extents = [(-(-left >> number), -(-right >> number)) for number in range(depth, -1, -1)]
        spans = band_spans(extents, (start, stop), replace(default, transform=transform), 1)
        for number, (low, high) in enumerate(spans):
            below = depth - max(number - 1, 0)
            assert min(low[0], high[0]) << below >= start - (reach << depth)
            assert max(low[1], high[1]) - 1 << below < stop + (reach << depth)


def test_the_largest_code_block_need_not_be_of_the_lowest_resolution() -> None:
    index = indexed(variant("lossy")).index
    assert index is not None
    style = index.style.default
    block, levels = style.block_width_exponent, style.levels
    narrow = replace(style, precincts=((3, 3), *((15, 15),) * levels))
    assert narrow.largest_block(0) == replace(style, precincts=()).largest_block(0) == block + levels
    assert replace(style, precincts=((3, 3),) * (levels + 1)).largest_block(0) == 3 + levels


def test_what_needs_most_of_the_file_is_decoded_from_the_file() -> None:
    data = variant("LRCP without precincts")
    description = read_jp2(data)
    index = indexed(data).index
    assert index is not None
    tile = plan(description, scenes.request((0, 0, 64, 64), (64, 64)))
    assert find_sparse(index, tile) is None
    thumbnail = plan(description, scenes.request((0, 0, 416, 312), (52, 39)))
    assert find_sparse(index, thumbnail) is not None


def test_the_metadata_of_the_file_come_along(corpus: Path) -> None:
    data = (corpus / "conformance/file8.jp2").read_bytes()
    index = indexed(data).index
    assert index is not None
    found = plan_region(index, Region(0, 0, 8, 8), 3)
    made = assemble(found, [data[wanted.start : wanted.stop] for wanted in found.ranges])
    assert read_header(SourceData(data=made)).colour == read_header(SourceData(data=data)).colour
