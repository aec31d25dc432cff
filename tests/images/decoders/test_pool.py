"""The pool when all goes well, and when a job says that it failed."""

import json
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from images.decoders.errors import (
    DamagedSourceError,
    DecodeError,
    DecodeLimitError,
    OverloadedError,
)
from images.decoders.pool import DecoderPool, Rendered
from images.decoders.source import SourceData
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import are_gone, open_files, wait_until

NOTHING = SourceData(data=b"")


def test_bytes_go_there_and_back(pool: DecoderPool) -> None:
    rendered = pool.run({"kind": "echo"}, SourceData(data=b"abc"))
    assert rendered.length == 3
    assert rendered.read() == b"abc"


def test_an_empty_result_is_a_result(pool: DecoderPool) -> None:
    rendered = pool.run({"kind": "echo"}, NOTHING)
    assert (rendered.length, rendered.read()) == (0, b"")


def until_enough(pool: DecoderPool, **facts: Any) -> Rendered:
    return pool.run({"kind": "until_enough", **facts}, NOTHING, returns_early=True)


def told_enough(rendered: Rendered) -> bytes:
    assert rendered.enough is not None
    with rendered:
        first = next(rendered.chunks)
        rendered.enough()
        rendered.enough()  # the second time says nothing new
        return first + rendered.read()


def test_a_decoder_is_told_that_nobody_wants_the_rest(new_pool: PoolMaker) -> None:
    pool = new_pool(size=1)
    rendered = until_enough(pool)
    assert told_enough(rendered) == b"begun, ended"
    assert rendered.enough is not None
    rendered.enough()  # of a job that has ended
    assert until_enough(pool, seconds=0.2).read() == b"begun, never ended", "what was said of one job holds for another"
    assert pool.stats()["spawned"] == 1


def test_what_a_job_did_not_look_at_is_nothing_to_the_next(new_pool: PoolMaker) -> None:
    pool = new_pool(size=1)
    job = {"kind": "stream", "pieces": 2, "length": 300_000, "pause": 0.1}
    with pool.run(job, NOTHING, returns_early=True) as rendered:
        next(rendered.chunks)
        assert rendered.enough is not None
        rendered.enough()
        assert len(rendered.read()) >= 300_000
    assert until_enough(pool, seconds=0.2).read() == b"begun, never ended"
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        file.flush()
        assert pool.run({"kind": "echo"}, SourceData(fd=file.fileno(), length=3)).read() == b"abc"
    assert pool.stats()["spawned"] == 1


def test_nobody_begins_anew_what_nobody_wants(new_pool: PoolMaker) -> None:
    pool = new_pool(size=1)
    pool.start()
    assert told_enough(until_enough(pool, pids=list(pool.pids()))) == b"begun"
    assert pool.stats()["retries"] == 0


def test_a_pool_tells_where_a_job_has_to_wait_for_a_decoder(new_pool: PoolMaker) -> None:
    told = threading.Event()
    pool = new_pool(size=2, when_full=told.set)
    with ThreadPoolExecutor(3) as threads:
        jobs = [threads.submit(pool.run, {"kind": "sleep", "seconds": 0.5}, NOTHING) for _ in range(2)]
        wait_until(lambda: pool.stats()["busy"] == 2)
        assert not told.is_set()
        jobs.append(threads.submit(pool.run, {"kind": "sleep", "seconds": 0}, NOTHING))
        assert told.wait(10)
        for job in jobs:
            job.result()


@pytest.mark.parametrize("length", [1, 65_536, 262_144, 262_145, 1_048_577, 9_000_000])
def test_results_of_any_length_arrive_whole(pool: DecoderPool, length: int) -> None:
    data = os.urandom(length)
    assert pool.run({"kind": "echo"}, SourceData(data=data)).read() == data


def test_an_open_file_is_read_without_moving_the_server_s_position(pool: DecoderPool) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.seek(4)
        source = SourceData(fd=file.fileno(), length=10)
        assert pool.run({"kind": "echo"}, source).read() == b"0123456789"
        assert file.tell() == 4


def test_200_jobs_of_many_threads_get_their_own_answers(new_pool: PoolMaker) -> None:
    pool = new_pool(queue_length=200, queue_wait=60)

    def ask(number: int) -> bool:
        data = str(number).encode() * (number + 1)
        return pool.run({"kind": "echo"}, SourceData(data=data)).read() == data

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(ask, range(200)))
    stats = pool.stats()
    assert (stats["jobs"], stats["busy"], stats["queue_depth"]) == (200, 0, 0)
    assert len(pool.pids()) <= 2


def test_no_open_file_is_left_behind(pool: DecoderPool) -> None:
    def all_sorts() -> None:
        with tempfile.TemporaryFile() as file:
            file.write(b"abc")
            pool.run({"kind": "echo"}, SourceData(fd=file.fileno(), length=3)).read()
        pool.run({"kind": "stream", "pieces": 99, "length": 100_000}, NOTHING).close()
        with pytest.raises(DamagedSourceError):
            pool.run({"kind": "fail", "error": "damaged"}, NOTHING)
        pool.run({"kind": "echo"}, NOTHING).read()

    all_sorts()
    before = open_files()
    for _ in range(20):
        all_sorts()
    assert open_files() == before
    assert all(open_files(pid) < 15 for pid in pool.pids())


def test_closing_frees_everything(new_pool: PoolMaker) -> None:
    before = open_files()
    pool = new_pool()
    pool.start()
    pids = [*pool.pids(), pool.zygote_pid or 0]
    assert len(pids) == 3
    pool.close()
    assert are_gone(pids)
    assert open_files() == before
    with pytest.raises(OverloadedError):
        pool.run({"kind": "echo"}, NOTHING)


def test_closing_ends_a_job_under_way(new_pool: PoolMaker) -> None:
    pool = new_pool()
    failures: list[DecodeError] = []

    def spin() -> None:
        try:
            pool.run({"kind": "spin"}, NOTHING)
        except DecodeError as error:
            failures.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    assert wait_until(lambda: pool.stats()["busy"] == 1 and bool(pool.pids()))
    pool.close()
    thread.join(10)
    assert len(failures) == 1


def test_a_failure_is_raised_as_what_it_was(pool: DecoderPool) -> None:
    with pytest.raises(DamagedSourceError) as caught:
        pool.run({"kind": "fail", "error": "damaged"}, NOTHING)
    assert (caught.value.code, caught.value.detail) == ("cut", "The second strip is cut off.")
    with pytest.raises(DecodeLimitError):
        pool.run({"kind": "fail", "error": "limit"}, NOTHING)


def test_a_failure_nobody_foresaw_tells_strangers_nothing(pool: DecoderPool) -> None:
    with pytest.raises(DecodeError) as caught:
        pool.run({"kind": "fail", "error": "other"}, NOTHING)
    assert "secret" not in str(caught.value)


def test_a_failure_before_the_first_frame_hides_what_was_written(pool: DecoderPool) -> None:
    with pytest.raises(DamagedSourceError):
        pool.run({"kind": "fail", "error": "damaged", "after": 200_000}, NOTHING)


def test_a_failure_leaves_the_decoder_in_use(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    pids = pool.pids()
    for _ in range(3):
        with pytest.raises(DamagedSourceError):
            pool.run({"kind": "fail", "error": "damaged"}, NOTHING)
    pool.run({"kind": "echo"}, NOTHING).read()
    assert pool.pids() == pids
    assert pool.stats()["failed"] == 3


def test_a_decoder_is_replaced_after_its_jobs(new_pool: PoolMaker) -> None:
    pool = new_pool(1, max_jobs=3)
    seen = {json.loads(pool.run({"kind": "report"}, NOTHING).read())["pid"] for _ in range(9)}
    assert len(seen) == 3
    assert pool.stats()["recycled"] == 3


def test_a_decoder_that_grew_is_replaced(new_pool: PoolMaker) -> None:
    pool = new_pool(1, max_resident_bytes=100 * 1024**2)
    pool.start()
    pids = pool.pids()
    pool.run({"kind": "hold", "length": 20 * 1024**2}, NOTHING).read()
    assert pool.pids() == pids
    pool.run({"kind": "hold", "length": 100 * 1024**2}, NOTHING).read()
    assert are_gone(pids)
    assert pool.stats()["recycled"] == 1


def test_a_job_too_long_for_the_wire_is_refused(pool: DecoderPool) -> None:
    with pytest.raises(DecodeLimitError):
        pool.run({"kind": "echo", "text": "x" * 20_000_000}, NOTHING)
    assert pool.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"
    assert pool.stats()["busy"] == 0


def test_a_job_that_is_no_json_is_the_caller_s_mistake_and_costs_no_slot(
    pool: DecoderPool,
) -> None:
    with pytest.raises(TypeError):
        pool.run({"kind": object()}, NOTHING)
    assert pool.stats()["busy"] == 0
