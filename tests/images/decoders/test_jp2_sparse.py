"""Sparse codestreams against the ordinary decode of the whole file: not one sample may differ."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.decoders.execute import execute
from images.decoders.jp2_header import read_header
from images.decoders.jp2_sparse import SparseDecode, find_sparse
from images.decoders.plan import DecodePlan, plan
from images.decoders.source import SourceData
from images.iiif.geometry import Region
from images.indexes.description import SourceDescription
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.sparse_plan import plan_region
from tests.conftest import CORPUS
from tests.images.decoders import scenes
from tests.images.decoders.sparse_oracle import Cut, differing, indexed, ordinary, random_cuts, sparse
from tests.images.indexes.jp2.variants import VARIANTS, picture, variant
from tests.images.indexes.reading import read_jp2

FILES = sorted(
    path.relative_to(CORPUS).as_posix()
    for pattern in ("conformance/*.j*", "real/*.jp2", "reference/*.jp2")
    for path in CORPUS.glob(pattern)
)
FAIL_ORDINARILY = {"conformance/p1_05.j2k", "conformance/p1_06.j2k"}
"""OpenJPEG refuses small levels of these, whose tiles have no samples left there."""


@pytest.mark.parametrize("name", VARIANTS)
def test_every_make_of_codestream(name: str) -> None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    assert not differing(data, index, random_cuts(index, 10))


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


@settings(max_examples=60)
@given(st.sampled_from(sorted(VARIANTS)), st.integers(0, 4), st.data())
def test_any_region(name: str, reduction: int, drawn: st.DataObject) -> None:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    if name == "one resolution":
        reduction = 0
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
