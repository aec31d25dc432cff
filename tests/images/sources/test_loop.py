"""The event loop for object storage: used by threads, and ended before the interpreter ends."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from images.sources.loop import LoopThread
from tests.support.server import PROJECT


async def _answer(seconds: float = 0.0) -> str:
    await asyncio.sleep(seconds)
    return "answer"


def test_what_waits_is_cancelled_when_it_closes() -> None:
    loop, begun, outcomes = LoopThread(), threading.Event(), []

    async def wait() -> str:
        begun.set()
        return await _answer(600)

    def ask() -> None:
        try:
            loop.run(wait())
        except CancelledError:
            outcomes.append("cancelled")

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(10)
    loop.close()
    thread.join(10)
    assert outcomes == ["cancelled"]


@pytest.mark.parametrize("times", [0, 1, 2])
def test_it_can_be_closed_at_any_time_and_used_again(times: int) -> None:
    loop = LoopThread()
    if times:
        assert loop.run(_answer()) == "answer"
    for _ in range(times):
        loop.close()
    assert loop.run(_answer()) == "answer"
    loop.close()


def test_a_process_closes_it_before_the_interpreter_ends() -> None:
    script = (
        "import asyncio, atexit\n"
        "atexit.register(lambda: print('after', loop._loop))\n"  # what is registered first comes last
        "from images.sources.loop import loop\n"
        "loop.run(asyncio.sleep(0))\n"
        "print('before', loop._loop is not None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["before", "True", "after", "None"]
