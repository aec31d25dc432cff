import os
import signal
import time
from pathlib import Path

import pytest

from caching.locks import KeyLocks
from caching.singleflight import SingleFlight
from tests.caching.conftest import key_of

ONE, OTHER = key_of(1).digest, key_of(2).digest


def child_holding(path: Path, digest: str) -> int:
    """A process that holds the lock of a key until it is killed."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, b"1" if KeyLocks(path).acquire(digest, 5.0) else b"0")
        time.sleep(60)
        os._exit(0)
    os.close(write_end)
    assert os.read(read_end, 1) == b"1"
    os.close(read_end)
    return child


def test_a_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    child = child_holding(path, ONE)
    locks = KeyLocks(path)
    try:
        assert not locks.acquire(ONE, 0.05)
        assert locks.acquire(OTHER, 0.0)
        flight, leads = SingleFlight[str](locks, lock_seconds=0.05).join(ONE)
        assert leads  # it cannot have the lock, and goes on without
        flight.leave()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert locks.acquire(ONE, 1.0)  # locks end with their process
    locks.release(ONE)
    os.kill(child_holding(path, ONE), signal.SIGKILL)
    os.wait()


def test_a_file_that_cannot_be_locked_is_done_without(tmp_path: Path) -> None:
    locks = KeyLocks(tmp_path)
    assert not locks.acquire(ONE, 5.0)
    locks.release(ONE)


@pytest.mark.parametrize("locked", [False, True])
def test_a_flight_is_left_once(tmp_path: Path, locked: bool) -> None:
    flights = SingleFlight[str](KeyLocks(tmp_path / "lock") if locked else None)
    flight, leads = flights.join(ONE)
    assert leads
    assert flights.join(ONE) == (flight, False)
    flight.share("value")
    flight.leave()
    second, leads = flights.join(ONE)
    assert leads
    flight.leave()
    assert flights.join(ONE) == (second, False)
    assert flight.wait(0) == "value"
