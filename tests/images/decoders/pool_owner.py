"""A program that owns a pool, for the tests of what happens when it forks or is killed. Prints JSON lines.

Run as `python -m tests.images.decoders.pool_owner MODE`.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import billiard

from images.decoders.pool import DecoderPool
from images.decoders.source import SourceData

NOTHING = SourceData(data=b"")


def say(value: Mapping[str, Any]) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201


def new_pool(**options: Any) -> DecoderPool:
    return DecoderPool(2, job_module="tests.images.decoders.fake_jobs", **options)


def be_killed() -> None:
    """One decoder idle, one busy, and a process forked from this one that holds on to nothing."""
    pool = new_pool(wall_seconds=60)
    pool.start()
    fork_pid = os.fork()
    if fork_pid == 0:
        time.sleep(60)
        os._exit(0)
    threading.Thread(target=pool.run, args=({"kind": "spin"}, NOTHING), daemon=True).start()
    time.sleep(0.2)
    say({"pids": pool.pids(), "zygote": pool.zygote_pid, "fork": fork_pid})
    time.sleep(60)


def be_killed_with_zygote() -> None:
    """A busy decoder that nobody is left to end."""
    pool = new_pool(wall_seconds=1)
    pool.start()
    threading.Thread(target=pool.run, args=({"kind": "spin"}, NOTHING), daemon=True).start()
    time.sleep(0.2)
    say({"pids": pool.pids(), "zygote": pool.zygote_pid})
    time.sleep(60)


def fork() -> None:
    """Fork with a busy thread, and use the pool on both sides."""
    pool = new_pool()
    pool.start()
    slow = {"kind": "sleep", "seconds": 0.5}
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(pool.run(slow, SourceData(data=b"slow")).read()))
    thread.start()
    time.sleep(0.1)
    before = pool.pids()
    pid = os.fork()
    if pid == 0:
        answer = pool.run({"kind": "echo"}, SourceData(data=b"child")).read().decode()
        say({"answer": answer, "shares": sorted(set(before) & set(pool.pids()))})
        pool.close()
        os._exit(0)
    os.waitpid(pid, 0)
    thread.join()
    answer = pool.run({"kind": "echo"}, SourceData(data=b"parent")).read().decode()
    say({"answer": answer, "slow": answers[0].decode(), "same": pool.pids() == before})


def use_in_daemonic_process() -> None:
    """As in a worker of Celery: forked, daemonic, not allowed to have children by multiprocessing's rules."""
    pool = new_pool()
    pool.start()
    process = billiard.Process(target=_answer_and_close, args=(pool,))
    process.daemon = True
    process.start()
    process.join()
    pool.close()


def _answer_and_close(pool: DecoderPool) -> None:
    say({"answer": pool.run({"kind": "echo"}, SourceData(data=b"child")).read().decode()})
    pool.close()


def exit_without_closing() -> None:
    pool = new_pool()
    pool.start()
    say({"pids": pool.pids(), "zygote": pool.zygote_pid})


if __name__ == "__main__":
    {
        "be_killed": be_killed,
        "be_killed_with_zygote": be_killed_with_zygote,
        "fork": fork,
        "use_in_daemonic_process": use_in_daemonic_process,
        "exit_without_closing": exit_without_closing,
    }[sys.argv[1]]()
