"""Long results are relayed while they are made."""

import gc
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from images.decoders.errors import DecodeLimitError
from images.decoders.pool import DecoderPool
from images.decoders.source import SourceData
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import are_gone, wait_until

NOTHING = SourceData(data=b"")
LONG = {"kind": "stream", "pieces": 200, "length": 100_000}


def test_a_stream_arrives_whole_and_in_order(pool: DecoderPool) -> None:
    rendered = pool.run(LONG, NOTHING)
    assert rendered.length is None
    assert rendered.read() == b"".join(bytes([number]) * 100_000 for number in range(200))
    assert pool.stats()["busy"] == 0


def test_the_first_bytes_come_before_the_last_are_made(new_pool: PoolMaker) -> None:
    pool = new_pool(read_ahead_bytes=0)
    job = {"kind": "stream", "pieces": 1000, "length": 300_000, "pause": 0.05}
    with pool.run(job, NOTHING) as rendered:
        assert next(rendered.chunks).startswith(b"\0")
        assert pool.stats()["busy"] == 1


def test_a_short_result_frees_its_decoder_before_it_is_read(pool: DecoderPool) -> None:
    rendered = pool.run({"kind": "stream", "pieces": 5, "length": 100_000}, NOTHING)
    assert rendered.length == 500_000
    assert pool.stats()["busy"] == 0
    assert len(rendered.read()) == 500_000


def test_closing_early_ends_the_decoder_and_frees_its_place(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    rendered = pool.run(LONG, NOTHING)
    pids = pool.pids()
    list(itertools.islice(rendered.chunks, 3))
    rendered.close()
    rendered.close()
    assert list(rendered.chunks) == []
    assert are_gone(pids, 5)
    stats = pool.stats()
    assert (stats["busy"], stats["kills"]) == (0, 1)
    assert pool.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"


def test_closing_before_reading_anything_frees_the_place(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.run(LONG, NOTHING).close()
    assert pool.stats()["busy"] == 0


def test_a_stream_that_is_dropped_frees_its_place(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.run(LONG, NOTHING)
    gc.collect()
    assert wait_until(lambda: pool.stats()["busy"] == 0)


def test_a_slow_reader_is_no_reason_to_end_the_decoder(new_pool: PoolMaker) -> None:
    pool = new_pool(1, wall_seconds=1)
    length = 0
    for number, piece in enumerate(pool.run(LONG, NOTHING).chunks):
        length += len(piece)
        if number == 5:
            # Longer than the server and the decoder itself would let it compute.
            time.sleep(3)
    assert length == 20_000_000


def test_a_decoder_that_stops_in_mid_stream_is_ended(new_pool: PoolMaker) -> None:
    pool = new_pool(1, wall_seconds=1)
    rendered = pool.run({"kind": "stream", "pieces": 9, "length": 2_000_000, "pause": 60}, NOTHING)
    with pytest.raises(DecodeLimitError):
        rendered.read()
    assert (pool.stats()["kills"], pool.stats()["busy"]) == (1, 0)


def test_no_stream_lives_for_ever(new_pool: PoolMaker) -> None:
    pool = new_pool(1, stream_seconds=0.5)
    with pytest.raises(DecodeLimitError):
        pool.run({**LONG, "pieces": 1000, "pause": 0.05}, NOTHING).read()


def test_a_reader_who_never_comes_back_loses_the_place(new_pool: PoolMaker) -> None:
    pool = new_pool(1, stream_seconds=0.3)
    forgotten = pool.run(LONG, NOTHING)
    time.sleep(1.5)
    assert pool.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"
    with pytest.raises(DecodeLimitError):
        forgotten.read()
    assert pool.stats()["busy"] == 0


def test_streams_read_side_by_side_do_not_mix(new_pool: PoolMaker) -> None:
    pool = new_pool(4, dear_slots=4)

    def read(_: int) -> bytes:
        return pool.run(LONG, NOTHING).read()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(read, range(8)))) == 1
