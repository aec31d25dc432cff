"""The pool under fire: deaths, limits, nonsense."""

import os
import signal
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from images.decoders.errors import DecodeError, DecodeLimitError, DecoderDiedError, DecoderUnavailableError
from images.decoders.pool import DecoderPool
from images.decoders.source import SourceData
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import is_alive, open_files, wait_until

NOTHING = SourceData(data=b"")
ABC = SourceData(data=b"abc")


def test_a_decoder_killed_in_mid_job_costs_nothing_but_time(pool: DecoderPool) -> None:
    pool.start()
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(pool.run, {"kind": "sleep", "seconds": 0.5}, ABC)
        assert wait_until(lambda: pool.stats()["busy"] == 1)
        time.sleep(0.1)
        for pid in pool.pids():
            os.kill(pid, signal.SIGKILL)
        assert answer.result(20).read() == b"abc"
    assert pool.stats()["retries"] == 1


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_death_is_followed_by_one_more_attempt(new_pool: PoolMaker, number: int) -> None:
    pool = new_pool(1)
    pool.start()
    job = {"kind": "die", "signal": number, "pids": pool.pids()}
    assert pool.run(job, ABC).read() == b"abc"
    assert (pool.stats()["deaths"], pool.stats()["retries"]) == (1, 1)


def test_two_deaths_are_an_error(pool: DecoderPool) -> None:
    with pytest.raises(DecoderDiedError):
        pool.run({"kind": "die", "signal": signal.SIGSEGV}, NOTHING)
    assert pool.stats()["deaths"] == 2
    assert pool.run({"kind": "echo"}, ABC).read() == b"abc"


def test_two_deaths_after_the_first_bytes_are_an_error_of_the_stream(pool: DecoderPool) -> None:
    rendered = pool.run({"kind": "die", "after": 5_000_000}, NOTHING)
    assert rendered.length is None
    with pytest.raises(DecoderDiedError):
        rendered.read()
    assert (pool.stats()["retries"], pool.stats()["deaths"], pool.stats()["busy"]) == (1, 2, 0)


def test_idle_decoders_that_died_are_replaced_unnoticed(pool: DecoderPool) -> None:
    pool.start()
    for pid in pool.pids():
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(is_alive, pool.pids())))
    assert pool.run({"kind": "echo"}, ABC).read() == b"abc"
    assert (pool.stats()["deaths"], pool.stats()["retries"]) == (2, 0)


def test_a_killed_zygote_is_replaced(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    first = pool.zygote_pid
    assert first is not None
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(pool.run, {"kind": "sleep", "seconds": 0.3}, ABC)
        assert wait_until(lambda: pool.stats()["busy"] == 1)
        os.kill(first, signal.SIGKILL)
        assert answer.result(20).read() == b"abc"
    for pid in pool.pids():
        os.kill(pid, signal.SIGKILL)
    assert pool.run({"kind": "echo"}, ABC).read() == b"abc"
    assert pool.zygote_pid not in {None, first}
    assert pool.stats()["zygote_starts"] == 2


def test_a_stopped_zygote_is_replaced(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.decoders.spawning._ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("images.decoders.spawning._END_SECONDS", 0.1)
    pool.run({"kind": "echo"}, NOTHING).read()
    first = pool.zygote_pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    os.kill(pool.pids()[0], signal.SIGKILL)
    assert pool.run({"kind": "echo"}, ABC).read() == b"abc"
    assert not is_alive(first)


def test_kills_at_random_are_never_seen_by_those_who_ask(new_pool: PoolMaker) -> None:
    pool = new_pool(2, queue_length=100, queue_wait=60)
    pool.start()
    done = threading.Event()

    def kill_now_and_then() -> None:
        # Slower than a job, so that the second attempt is not killed as well.
        while not done.wait(0.25):
            pids = pool.pids()
            if pids:
                os.kill(pids[-1], signal.SIGKILL)

    def ask(number: int) -> bool:
        data = str(number).encode()
        job = {"kind": "sleep", "seconds": 0.02}
        return pool.run(job, SourceData(data=data)).read() == data

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(ask, range(200)))
    finally:
        done.set()
        killer.join()
    assert pool.stats()["deaths"] > 0


def test_a_memory_bomb_is_a_limit(new_pool: PoolMaker) -> None:
    pool = new_pool(memory_bytes=512 * 1024**2)
    with pytest.raises(DecodeLimitError) as caught:
        pool.run({"kind": "allocate", "length": 600 * 1024**2}, NOTHING)
    assert caught.value.code == "out_of_memory"
    assert pool.run({"kind": "allocate", "length": 1000}, NOTHING).read() == b"1000"
    assert pool.stats()["retries"] == 0


def test_a_library_that_ends_the_process_for_want_of_memory_met_a_limit(
    new_pool: PoolMaker,
) -> None:
    pool = new_pool(memory_bytes=512 * 1024**2)
    with pytest.raises(DecodeLimitError) as caught:
        pool.run({"kind": "allocate_as_glib", "length": 600 * 1024**2}, NOTHING)
    assert caught.value.code == "out_of_memory"
    assert (pool.stats()["retries"], pool.stats()["limited"]) == (0, 1)


def test_a_busy_loop_is_ended_by_the_clock_and_bothers_nobody(new_pool: PoolMaker) -> None:
    pool = new_pool(2, wall_seconds=1)
    pool.start()
    with ThreadPoolExecutor() as threads:
        spin = threads.submit(pool.run, {"kind": "spin"}, NOTHING)
        assert wait_until(lambda: pool.stats()["busy"] == 1)
        assert all(pool.run({"kind": "echo"}, ABC).read() == b"abc" for _ in range(100))
        error = spin.exception(20)
    assert isinstance(error, DecodeLimitError)
    assert error.code == "out_of_time"
    assert (pool.stats()["kills"], pool.stats()["retries"]) == (1, 0)


def test_processor_time_is_limited_for_each_job_anew(new_pool: PoolMaker) -> None:
    pool = new_pool(1, wall_seconds=30, cpu_seconds=1)
    for _ in range(4):
        assert pool.run({"kind": "spin", "seconds": 0.6}, NOTHING).read() == b"done"
    with pytest.raises(DecodeLimitError) as caught:
        pool.run({"kind": "spin", "seconds": 20}, NOTHING)
    assert caught.value.code == "out_of_time"
    assert pool.stats()["retries"] == 0


GARBAGE = {
    "no magic": b"\xff" * 64,
    "endless data": struct.pack("!HBxI", 0x1F5A, 4, 0xFFFFFFFF),
    "endless end": struct.pack("!HBxI", 0x1F5A, 5, 1_000_000) + b"[" * 1000,
    "wrong kind": struct.pack("!HBxI", 0x1F5A, 2, 5) + b"abcde",
    "no json": struct.pack("!HBxI", 0x1F5A, 5, 3) + b"{x}",
    "no object": struct.pack("!HBxI", 0x1F5A, 5, 2) + b"[]",
    "deep json": struct.pack("!HBxI", 0x1F5A, 5, 4000) + b"[" * 4000,
    "no memory told": struct.pack("!HBxI", 0x1F5A, 5, 2) + b"{}",
    "error without json": struct.pack("!HBxI", 0x1F5A, 6, 3) + b"\x80\x04.",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_an_answer_that_is_none_is_refused(pool: DecoderPool, garbage: bytes) -> None:
    with pytest.raises(DecoderDiedError):
        pool.run({"kind": "raw", "bytes": garbage.hex()}, NOTHING)
    assert pool.run({"kind": "echo"}, ABC).read() == b"abc"
    assert pool.stats()["busy"] == 0


def test_a_strange_error_is_still_an_error_of_decoding(pool: DecoderPool) -> None:
    payload = b'{"type":{"a":1},"code":["b"],"detail":7}'
    frame = struct.pack("!HBxI", 0x1F5A, 6, len(payload)) + payload
    with pytest.raises(DecodeError):
        pool.run({"kind": "raw", "bytes": frame.hex(), "seconds": 0}, NOTHING)


def test_bytes_after_the_end_cost_the_decoder_its_place(new_pool: PoolMaker) -> None:
    pool = new_pool(1)
    pool.start()
    pids = pool.pids()
    end = b'{"resident_bytes":1}'
    frame = struct.pack("!HBxI", 0x1F5A, 5, len(end)) + end
    job = {"kind": "raw", "bytes": (frame + frame).hex(), "seconds": 0}
    assert pool.run(job, NOTHING).read() == b""
    assert pool.run({"kind": "echo"}, ABC).read() == b"abc"
    assert not set(pids) & set(pool.pids())


def test_a_decoder_cannot_give_the_server_open_files(pool: DecoderPool) -> None:
    pool.start()
    before = open_files()
    for _ in range(5):
        assert pool.run({"kind": "file_to_parent"}, NOTHING).read() == b"xy"
    assert open_files() == before


def test_decoders_that_cannot_be_started_are_not_the_fault_of_the_image(new_pool: PoolMaker) -> None:
    pool = new_pool(job_module="tests.images.decoders.no_such_module")
    with pytest.raises(DecoderUnavailableError) as caught:
        pool.run({"kind": "echo"}, NOTHING)
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 5)
    assert pool.stats()["busy"] == 0
