"""Sources that come to a decoder process in parts, as it asks for them."""

import json
import threading

import pytest

from images.decoders.cuts import Cuts
from images.decoders.errors import DecodeLimitError, DecoderDiedError
from images.decoders.parts import Part, Parts
from images.decoders.pool import DecoderPool, ThreadRunner
from images.decoders.runner import Runner, shares
from images.decoders.source import SourceData
from images.decoders.wire import PAYLOAD_LIMITS, Kind
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import wait_until

CUTS = Cuts((0, 10, 20), (0, 5, 10, 15))
LENGTH = 300_000


class Store:
    """Gives parts that tell their number, and remembers which were asked for."""

    def __init__(self, *, length: int = LENGTH, missing: int | None = None) -> None:
        self.asked: list[int] = []
        self._length = length
        self._missing = missing

    def get(self, number: int) -> Part:
        self.asked.append(number)
        if number == self._missing:
            raise LookupError("no such object in the store")
        return Part(bytes([number]) * self._length, 100 + number, 50, 1, number, 2)

    @property
    def source(self) -> SourceData:
        return SourceData(parts=Parts(CUTS, self.get))


def expected(length: int = LENGTH) -> bytes:
    facts = [{"width": 100 + number, "height": 50, "reduction": 1, "x": number, "y": 2} for number in range(6)]
    return b"".join(
        bytes([number]) * length + json.dumps(each, separators=(",", ":")).encode() for number, each in enumerate(facts)
    )


@pytest.mark.parametrize("length", [0, 10, LENGTH])
def test_parts_arrive_whole_and_each_once(pool: DecoderPool, length: int) -> None:
    store = Store(length=length)
    assert pool.run({"kind": "parts"}, store.source).read() == expected(length)
    assert store.asked == list(range(6))
    assert pool.stats()["busy"] == 0


def test_a_decoder_that_had_parts_goes_on(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.run({"kind": "parts"}, Store().source).read()
    assert pool.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"
    assert pool.stats()["spawned"] == 1


def test_threads_take_parts_too() -> None:
    runner: Runner = ThreadRunner(1, job_module="tests.images.decoders.fake_jobs")
    assert runner.run({"kind": "parts"}, Store().source).read() == expected()


@pytest.mark.parametrize("missing", [0, 5])
def test_what_getting_a_part_raises_is_raised(new_pool: PoolMaker, missing: int) -> None:
    """At once where nothing has left, and else to whoever reads."""
    pool = new_pool(1)
    with pytest.raises(LookupError, match="no such object"):
        pool.run({"kind": "parts"}, Store(missing=missing).source).read()
    stats = pool.stats()
    assert (stats["busy"], stats["retries"], stats["deaths"]) == (0, 0, 0)


@pytest.mark.parametrize("numbers", [[1], [0, 0], [0, 2], [0, 1, 2, 3, 4, 5, 6], [-1], ["0"]])
def test_a_decoder_gets_each_part_once_and_in_order(new_pool: PoolMaker, numbers: list[int]) -> None:
    store = Store()
    with pytest.raises(DecoderDiedError):
        new_pool(1).run({"kind": "parts", "numbers": numbers}, store.source).read()
    assert len(store.asked) <= 2 * 6


def test_a_decoder_that_has_its_source_gets_no_parts(new_pool: PoolMaker) -> None:
    frame = "1f5a070000000009" + b'{"part":0'.hex()
    with pytest.raises(DecoderDiedError):
        new_pool(1).run({"kind": "raw", "bytes": frame}, SourceData(data=b"")).read()


def test_a_death_between_parts_is_made_good_from_the_first_one(new_pool: PoolMaker) -> None:
    pool = new_pool(1, read_ahead_bytes=LENGTH)
    pool.start()
    store = Store()
    job = {"kind": "parts", "pids": pool.pids(), "die_after": 4}
    assert pool.run(job, store.source).read() == expected()
    assert store.asked == [*range(5), *range(6)]
    assert (pool.stats()["deaths"], pool.stats()["retries"]) == (1, 1)


def test_a_part_that_is_too_long_is_refused(new_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAYLOAD_LIMITS, Kind.SOURCE, LENGTH - 1)
    with pytest.raises(DecodeLimitError, match="too large"):
        new_pool(1).run({"kind": "parts"}, Store().source).read()


def test_closing_while_a_part_is_being_fetched_ends_the_work(new_pool: PoolMaker) -> None:
    pool = new_pool(1, read_ahead_bytes=0)
    may_go = threading.Event()
    asked: list[int] = []

    def get(number: int) -> Part:
        asked.append(number)
        if number:
            may_go.wait(30)
        return Part(b"x" * LENGTH, 1, 1, 0, 0, 0)

    rendered = pool.run({"kind": "parts"}, SourceData(parts=Parts(CUTS, get)))
    assert wait_until(lambda: asked == [0, 1])
    threading.Timer(0.2, may_go.set).start()
    rendered.close()
    assert asked == [0, 1]
    assert pool.stats()["busy"] == 0


def test_a_long_wait_is_filled_with_empty_pieces(new_pool: PoolMaker) -> None:
    """So that a server notices that its client is gone; never before the first bytes."""
    pool = new_pool(1, read_ahead_bytes=0)
    job = {"kind": "stream", "pieces": 3, "length": 300_000, "pause": 1.0}
    pieces = list(pool.run(job, SourceData(data=b"")).chunks)
    assert pieces[0]
    assert b"" in pieces
    assert b"".join(pieces) == b"".join(bytes([number]) * 300_000 for number in range(3))


def test_very_large_streams_have_more_time() -> None:
    def job(pixels: int, size: int, *, streams: bool = True) -> dict[str, object]:
        request = {"size": {"width": size, "height": 1}}
        return {"plan": {"pixels": pixels, "request": request, "streams": streams}}

    assert shares({"kind": "inspect"}) == 1
    assert shares(job(10**8, 5)) == 1
    assert shares(job(10**8 + 1, 5)) == 2
    assert shares(job(5, 9 * 10**8)) == 9
    assert shares(job(5, 9 * 10**8, streams=False)) == 1
