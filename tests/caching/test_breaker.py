"""The circuit breaker, on a clock of its own."""

import threading

from caching.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(3, 5.0, Clock())
    for _ in range(2):
        breaker.note_failure()
    breaker.note_success()
    for _ in range(2):
        breaker.note_failure()
    assert breaker.allows()
    breaker.note_failure()
    assert not breaker.allows()


def test_one_caller_tries_after_the_rest_and_closes_it() -> None:
    clock = Clock()
    breaker = Breaker(1, 5.0, clock)
    breaker.note_failure()
    clock.now = 5.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.note_success()
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_a_failed_try_opens_it_for_as_long_again() -> None:
    clock = Clock()
    breaker = Breaker(1, 5.0, clock)
    breaker.note_failure()
    clock.now = 5.0
    assert breaker.allows()
    breaker.note_failure()
    clock.now = 9.9
    assert not breaker.allows()
    clock.now = 10.0
    assert breaker.allows()


def test_a_try_whose_end_nobody_tells_is_followed_by_another() -> None:
    clock = Clock()
    breaker = Breaker(1, 5.0, clock)
    breaker.note_failure()
    clock.now = 5.0
    assert breaker.allows()
    clock.now = 10.0
    assert breaker.allows()


def test_of_many_threads_one_tries() -> None:
    clock = Clock()
    breaker = Breaker(1, 5.0, clock)
    breaker.note_failure()
    clock.now = 6.0
    allowed: list[bool] = []
    together = threading.Barrier(16)

    def ask() -> None:
        together.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 1
