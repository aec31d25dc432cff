"""Large JPEG 2000 regions from the parts of one piece after the other: the same pixels, and nothing made too early."""

from dataclasses import dataclass, field
from threading import Event

import numpy as np
import pytest

from images.decoders import cuts as cutting
from images.decoders.cuts import Cuts
from images.decoders.execute import execute
from images.decoders.jp2_parts import find_cuts, piece_decode
from images.decoders.parts import Part, Parts
from images.decoders.plan import DecodePlan, plan
from images.decoders.source import SourceData
from images.indexes.jp2.assembly import assemble
from images.indexes.jp2.packet_index import PacketIndex
from tests.images.decoders import scenes
from tests.images.decoders.sparse_oracle import indexed
from tests.images.indexes.jp2.variants import VARIANTS, variant
from tests.images.indexes.reading import read_jp2

KINDS = [name for name in VARIANTS if name.startswith("RPCL") or name == "one resolution"]


@dataclass
class Server:
    """Serves the parts of `data`, and remembers what was asked for."""

    data: bytes
    index: PacketIndex
    planned: DecodePlan
    asked: list[int] = field(default_factory=list)

    @property
    def cuts(self) -> Cuts:
        """As they are, or some where decoding from the file would be chosen."""
        width, height = self.planned.horizontal.length, self.planned.vertical.length
        some = Cuts((0, width // 2, width), (0, height // 3, height - 1, height))
        return find_cuts(self.index, self.planned) or some

    def parts(self) -> Parts:
        return Parts(self.cuts, self.get)

    def get(self, number: int) -> Part:
        self.asked.append(number)
        found = piece_decode(self.index, self.planned, self.cuts.piece(number))
        made = assemble(found.sparse, [self.data[wanted.start : wanted.stop] for wanted in found.sparse.ranges])
        level, carried_out = found.plan.level, found.plan
        x, y = carried_out.horizontal.start, carried_out.vertical.start
        return Part(made, level.width, level.height, level.reduction, x, y)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of pieces of pictures of 416 × 312 pixels."""
    monkeypatch.setattr(cutting, "AT_ONCE_SAMPLES", 12_000)
    monkeypatch.setattr(cutting, "_LEAST_AT_ONCE_SAMPLES", 12_000)
    monkeypatch.setattr(cutting, "STRIP_BYTES", 60_000)
    monkeypatch.setattr(cutting, "_ROWS_BEFORE_THE_FIRST", 32)
    monkeypatch.setattr(cutting, "_LEAST_ROWS", 16)


def served(name: str, region: tuple[int, int, int, int], size: tuple[int, int], output: str = "png") -> Server:
    data = variant(name)
    index = indexed(data).index
    assert index is not None
    return Server(data, index, plan(read_jp2(data), scenes.request(region, size, output)))


def test_large_regions_are_decoded_in_pieces() -> None:
    server = served("RPCL listed", (0, 0, 416, 312), (416, 312))
    assert find_cuts(server.index, server.planned) == server.cuts
    assert len(server.cuts) > 20


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("step", [1, 2, 3])
def test_parts_join_without_a_trace(name: str, step: int) -> None:
    data = variant(name)
    description = read_jp2(data)
    region = (0, 0, description.width, description.height)
    size = (-(-description.width // step), -(-description.height // step))
    server = served(name, region, size)
    pieces: list[bytes] = []
    execute(server.planned, SourceData(parts=server.parts()), pieces.append)
    expected = scenes.rendered(data, description, region, size)
    difference = np.abs(scenes.pixels_of(b"".join(pieces)).astype(int) - expected)
    # OpenJPEG rounds some samples of 9-7 filters otherwise where they are at the edge of a decode area.
    assert difference.max() <= VARIANTS[name].irreversible
    assert server.asked == list(range(len(server.cuts)))
    assert len(server.asked) > 3


def test_a_region_with_odd_edges() -> None:
    region, size = (37, 29, 311, 251), (311, 251)
    server = served("RPCL offset tiles", region, size)
    pieces: list[bytes] = []
    execute(server.planned, SourceData(parts=server.parts()), pieces.append)
    expected = scenes.rendered(server.data, read_jp2(server.data), region, size)
    assert np.abs(scenes.pixels_of(b"".join(pieces)).astype(int) - expected).max() <= 1


def test_the_first_bytes_leave_before_the_last_part_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.decoders.plan._STREAMED_FROM_PIXELS", 1000)
    data = variant("RPCL listed")
    description = read_jp2(data)
    whole = (0, 0, description.width, description.height)
    server = served("RPCL listed", whole, (description.width * 3, description.height * 3), "tif")
    server.planned = plan(
        description,
        scenes.request(whole, whole[2:], "tif", options={"tiff_streamed_area": 1}),
    )
    last, left = len(server.cuts) - 1, Event()
    pieces: list[bytes] = []
    in_time: list[bool] = []

    def get(number: int) -> Part:
        if number == last:  # whoever writes runs in a thread of its own, and need not have got as far by itself
            in_time.append(left.wait(30))
        return server.get(number)

    def leave(piece: bytes) -> None:
        pieces.append(piece)
        if len(pieces) == 2:  # the first is the head of the file
            left.set()

    execute(server.planned, SourceData(parts=Parts(server.cuts, get)), leave)
    assert in_time == [True]


def test_what_getting_a_part_raises_ends_the_decode() -> None:
    server = served("RPCL listed", (0, 0, 416, 312), (416, 312))
    cuts = server.cuts

    def get(number: int) -> Part:
        if number == 5:
            raise LookupError("The source is gone.")
        return server.get(number)

    with pytest.raises(LookupError, match="source is gone"):
        execute(server.planned, SourceData(parts=Parts(cuts, get)), lambda _: None)
