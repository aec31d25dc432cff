"""What is done once at a time in the background."""

import threading

from caching.background import BackgroundQueue
from tests.caching.shared import wait_until


def test_a_job_that_waits_or_is_being_done_is_not_taken_twice() -> None:
    queue, done = BackgroundQueue("test", 10), list[str]()
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        go_on.wait(30)
        done.append("first")

    assert queue.submit_once("a", first)
    assert begun.wait(30)
    assert queue.submit_once("a", lambda: done.append("again"))
    assert queue.submit_once("b", lambda: done.append("b"))
    assert queue.submit_once("b", lambda: done.append("again"))
    go_on.set()
    assert queue.wait(30)
    assert done == ["first", "b"]
    assert queue.submit_once("a", lambda: done.append("later"))
    assert queue.wait(30)
    assert done == ["first", "b", "later"]


def test_a_job_that_failed_or_found_no_room_is_taken_again() -> None:
    queue, done = BackgroundQueue("test", 1), list[str]()
    begun, go_on = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        go_on.wait(30)
        raise ValueError("as it happens")

    assert queue.submit_once("a", fail)
    assert begun.wait(30)
    assert queue.submit_once("b", lambda: done.append("b"))
    assert not queue.submit_once("c", lambda: done.append("c"))  # one waits already
    go_on.set()
    assert wait_until(lambda: queue.submit_once("c", lambda: done.append("c")))
    assert wait_until(lambda: done == ["b", "c"])
    assert queue.submit_once("a", lambda: done.append("a"))
    assert wait_until(lambda: len(done) == 3)
    assert done == ["b", "c", "a"]
