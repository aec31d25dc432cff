"""What the processes of a pool are: confined, and gone with their owner."""

import ctypes
import errno
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from images.decoders.pool import DecoderPool
from images.decoders.sandbox import ARCHITECTURES
from images.decoders.source import SourceData
from images.decoders.worker import IDLE_SECONDS
from tests.images.decoders.conftest import PoolMaker
from tests.images.decoders.processes import are_gone, is_alive, status, wait_until

LANDLOCK_CREATE_RULESET = 444
HAS_LANDLOCK = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1) > 0
NOTHING = SourceData(data=b"")


def report(pool: DecoderPool) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(pool.run({"kind": "report"}, NOTHING).read())
    return answer


@contextmanager
def owner(mode: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.images.decoders.pool_owner", mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def test_decoders_know_nothing_of_the_server(new_pool: PoolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary")
    monkeypatch.setenv("DATABASE_URL", "canary")
    found = report(new_pool())
    assert set(found["environment"]) == {
        "PATH",
        "LANG",
        "PYTHONPATH",
        "VIPS_CONCURRENCY",
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
    }
    assert not {"django", "celery", "redis", "psycopg", "pickle"} & set(found["modules"])


def test_decoders_are_limited(new_pool: PoolMaker) -> None:
    found = report(new_pool(memory_bytes=1024**3, cpu_seconds=7))
    limits = found["limits"]
    assert limits["AS"] == 1024**3
    assert limits["FSIZE"] == 512 * 1024**2
    assert limits["NOFILE"] <= 256
    assert limits["CORE"] == 0
    assert 7 <= limits["CPU"] <= 10
    assert Path(f"/proc/{found['pid']}/oom_score_adj").read_text().strip() == "800"
    told = status(found["pid"])
    assert told["NoNewPrivs"] == "1"
    assert {told[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {""}


def test_decoders_cannot_reach_beyond_themselves(pool: DecoderPool) -> None:
    job = {"kind": "attempt", "pid": os.getpid()}
    outcomes = json.loads(pool.run(job, NOTHING).read())
    if platform.machine() not in ARCHITECTURES:
        pytest.skip("there is no filter for this machine")
    assert outcomes.pop("kill_self") is None
    assert outcomes.pop("thread") is None
    # Landlock, which these two need, is not in every kernel.
    assert outcomes.pop("environ") in {None, errno.EPERM, errno.EACCES}
    assert outcomes.pop("memory") in {None, errno.EPERM, errno.EACCES}
    assert set(outcomes.values()) == {errno.EPERM}


@pytest.mark.skipif(not HAS_LANDLOCK, reason="the kernel has no Landlock")
def test_decoders_cannot_look_into_the_server(pool: DecoderPool) -> None:
    job = {"kind": "attempt", "pid": os.getpid()}
    outcomes = json.loads(pool.run(job, NOTHING).read())
    assert outcomes["environ"] == errno.EACCES
    assert outcomes["memory"] == errno.EACCES


@pytest.mark.skipif(not HAS_LANDLOCK, reason="the kernel has no Landlock")
def test_decoders_cannot_touch_the_files_of_the_server(pool: DecoderPool, tmp_path: Path) -> None:
    canary = tmp_path / "secret-key"
    canary.write_text("canary")
    outcomes = json.loads(pool.run({"kind": "touch_files", "canary": str(canary)}, NOTHING).read())
    assert outcomes.pop("libraries") is None
    # EXDEV is how Landlock refuses to move a file into another folder.
    assert set(outcomes.values()) <= {errno.EACCES, errno.EPERM, errno.EXDEV}
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]
    assert canary.read_text() == "canary"


def test_decoders_cannot_write_to_a_source_that_the_server_may_write(pool: DecoderPool) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"as it was")
        file.flush()
        source = SourceData(fd=file.fileno(), length=9)
        assert json.loads(pool.run({"kind": "write_to_source"}, source).read()) == {"write": errno.EBADF}
        assert os.pread(file.fileno(), 20, 0) == b"as it was"


def test_the_zygote_of_the_real_jobs_has_one_thread() -> None:
    pool = DecoderPool(1)
    try:
        pool.start()
        assert len(list(Path(f"/proc/{pool.zygote_pid}/task").iterdir())) == 1
    finally:
        pool.close()


def test_nothing_outlives_an_owner_that_is_killed() -> None:
    with owner("be_killed") as process:
        found = read_line(process)
        everyone = [*found["pids"], found["zygote"]]
        assert len(everyone) == 3
        assert all(map(is_alive, everyone))
        process.kill()
        try:
            # A process that the owner forked lives on and must not keep them alive.
            assert is_alive(found["fork"])
            assert are_gone(everyone, 5)
        finally:
            os.kill(found["fork"], signal.SIGKILL)


def test_a_busy_decoder_ends_by_itself_when_owner_and_zygote_are_killed() -> None:
    with owner("be_killed_with_zygote") as process:
        found = read_line(process)
        os.kill(found["zygote"], signal.SIGSTOP)
        process.kill()
        os.kill(found["zygote"], signal.SIGKILL)
        assert are_gone([*found["pids"], found["zygote"]])


def test_an_owner_that_just_exits_leaves_nothing() -> None:
    with owner("exit_without_closing") as process:
        found = read_line(process)
        assert process.wait(20) == 0
        assert are_gone([*found["pids"], found["zygote"]], 5)


def test_after_a_fork_both_sides_have_decoders_of_their_own() -> None:
    with owner("fork") as process:
        child, parent = read_line(process), read_line(process)
        assert process.wait(20) == 0
    assert child == {"answer": "child", "shares": []}
    assert parent == {"answer": "parent", "slow": "slow", "same": True}


def test_a_daemonic_process_of_a_task_queue_may_decode() -> None:
    with owner("use_in_daemonic_process") as process:
        assert read_line(process) == {"answer": "child"}
        assert process.wait(20) == 0


def test_signals_meant_for_the_server_do_not_end_decoders(pool: DecoderPool) -> None:
    pool.start()
    everyone = [*pool.pids(), pool.zygote_pid or 0]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for pid in everyone:
            os.kill(pid, number)
    assert pool.run({"kind": "echo"}, SourceData(data=b"a")).read() == b"a"
    assert all(map(is_alive, everyone))


def test_a_decoder_without_work_gives_back_what_it_kept_for_the_next_job(new_pool: PoolMaker) -> None:
    pool, length = new_pool(size=1), 12 * 2**20
    pid = report(pool)["pid"]

    def resident() -> int:
        return int(status(pid)["VmRSS"].split()[0]) * 1024

    def is_kept() -> bool:
        assert pool.run({"kind": "use", "length": length, "times": 4}, NOTHING).read() == str(4 * length).encode()
        return resident() > before + 3 * length

    before = resident()
    assert wait_until(is_kept)  # at once, unless the machine is so busy that the decoder has been idle
    assert wait_until(lambda: resident() < before + length, IDLE_SECONDS + 10)
    assert report(pool)["pid"] == pid
