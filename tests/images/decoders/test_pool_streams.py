"""Long results are relayed while they are made."""

import gc
import itertools
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from images.decoders.errors import DecodeLimitError, DecoderDiedError
from images.decoders.plan import plan
from images.decoders.pool import DecoderPool
from images.decoders.source import SourceData
from tests.images.decoders import scenes
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import are_gone, open_files, wait_until

NOTHING = SourceData(data=b"")
LONG = {"kind": "stream", "pieces": 200, "length": 100_000}
WHOLE = b"".join(bytes([number]) * 100_000 for number in range(200))


def test_a_stream_arrives_whole_and_in_order(pool: DecoderPool) -> None:
    rendered = pool.run(LONG, NOTHING)
    assert rendered.length is None
    assert rendered.read() == WHOLE
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


def test_a_reader_who_does_not_come_holds_no_decoder(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    waiting = pool.run(LONG, NOTHING)
    assert wait_until(lambda: pool.stats()["busy"] == 0)
    assert pool.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"
    assert len(waiting.read()) == 20_000_000
    assert pool.stats()["kills"] == 0


def test_no_more_than_the_spool_takes_is_made_ahead(new_pool: PoolMaker) -> None:
    pool = new_pool(1, spool_bytes=2_000_000)
    rendered = pool.run(LONG, NOTHING)
    time.sleep(0.5)
    assert pool.stats()["busy"] == 1
    assert len(rendered.read()) == 20_000_000
    assert pool.stats()["busy"] == 0


def test_who_never_comes_for_more_than_the_spool_takes_loses_the_decoder(new_pool: PoolMaker) -> None:
    pool = new_pool(1, spool_bytes=2_000_000, stream_seconds=0.5)
    forgotten = pool.run(LONG, NOTHING)
    assert wait_until(lambda: pool.stats()["busy"] == 0)
    with pytest.raises(DecodeLimitError):
        forgotten.read()


def test_a_disk_that_takes_nothing_only_slows_the_decoder(
    new_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    pool = new_pool(1)
    rendered = pool.run(LONG, NOTHING)
    time.sleep(0.3)
    assert rendered.read() == WHOLE


def test_a_stream_leaves_no_file_and_no_thread_behind(pool: DecoderPool) -> None:
    pool.run(LONG, NOTHING).read()
    files, threads = open_files(), threading.active_count()
    for _ in range(5):
        with tempfile.TemporaryFile() as file:
            rendered = pool.run(LONG, SourceData(fd=file.fileno(), length=0))
        next(rendered.chunks)
        rendered.close()
        pool.run(LONG, NOTHING).read()
    assert (open_files(), threading.active_count()) == (files, threads)


def test_a_death_in_mid_stream_is_made_good(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    job = {**LONG, "die_after": 50, "pids": pool.pids()}
    assert pool.run(job, NOTHING).read() == WHOLE
    stats = pool.stats()
    assert (stats["deaths"], stats["retries"], stats["busy"]) == (1, 1, 0)


def test_a_second_attempt_that_gives_other_bytes_is_an_error(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    job = {**LONG, "die_after": 50, "pids": pool.pids(), "differs_at": 3}
    with pytest.raises(DecoderDiedError, match="other bytes"):
        pool.run(job, NOTHING).read()
    assert pool.stats()["busy"] == 0


def test_a_second_attempt_that_ends_early_is_an_error(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    job = {**LONG, "die_after": 50, "pids": pool.pids(), "ends_at": 20}
    with pytest.raises(DecoderDiedError, match="other bytes"):
        pool.run(job, NOTHING).read()


def test_closing_while_the_second_attempt_is_made_frees_the_place(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    job = {**LONG, "die_after": 50, "pids": pool.pids(), "pause": 0.02}
    rendered = pool.run(job, NOTHING)
    assert wait_until(lambda: pool.stats()["retries"] == 1)
    rendered.close()
    assert pool.stats()["busy"] == 0


def test_a_killed_decoder_does_not_show_in_a_png() -> None:
    """The real encoder, killed with SIGKILL after the first megabyte."""
    pixels = scenes.noise(2400, 2000)
    data = scenes.saved(PillowImage.fromarray(pixels), "PNG")
    description = scenes.described("PNG", data)
    planned = plan(description, scenes.request((0, 0, 2400, 2000), (2400, 2000), "png"))
    assert planned.streams
    pool = DecoderPool(1)
    try:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            source = SourceData(fd=file.fileno(), length=len(data))
            rendered = pool.run({"kind": "render", "plan": planned.to_json()}, source)
            assert rendered.length is None
            for pid in pool.pids():
                os.kill(pid, signal.SIGKILL)
        assert np.array_equal(scenes.pixels_of(rendered.read()), pixels)
        assert (pool.stats()["deaths"], pool.stats()["retries"]) == (1, 1)
    finally:
        pool.close()


def test_streams_read_side_by_side_do_not_mix(new_pool: PoolMaker) -> None:
    pool = new_pool(4, dear_slots=4)

    def read(_: int) -> bytes:
        return pool.run(LONG, NOTHING).read()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(read, range(8)))) == 1
