"""Who waits for somebody who waits for a store: counted with him, and sent away when one more cannot wait."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from caching.company import accompanied, current_company, working_for
from caching.singleflight import Flight, FlightTimeoutError, SingleFlight
from tests.support.server import wait_until


class FullError(Exception):
    pass


class Company:
    """Counts who waits along, and can be told to be full."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.is_full = False

    @contextmanager
    def along(self) -> Iterator[Callable[[], None]]:
        def check() -> None:
            if self.is_full:
                raise FullError

        with self.lock:
            self.count += 1
        try:
            yield check
        finally:
            with self.lock:
                self.count -= 1


@contextmanager
def following(flight: Flight[str], count: int, seconds: float = 60.0) -> Iterator[list[BaseException | str]]:
    """So many threads wait meanwhile; afterwards, what they got."""
    found: list[BaseException | str] = []

    def follow() -> str:
        return flight.wait(seconds)

    with ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(follow) for _ in range(count)]
        yield found
        for future in waiting:
            error = future.exception(30)
            found.append(future.result() if error is None else error)


@pytest.fixture
def flight() -> Flight[str]:
    return SingleFlight[str]().join("key")[0]


def test_followers_are_counted_for_as_long_as_the_leader_waits_for_a_store(flight: Flight[str]) -> None:
    company = Company()
    with following(flight, 3) as found, working_for(flight.errand):
        with accompanied(company):
            assert wait_until(lambda: company.count == 3, 30)
        assert wait_until(lambda: company.count == 0, 30)
        with accompanied(company):
            assert wait_until(lambda: company.count == 3, 30)
        flight.share("value")
    assert found == ["value"] * 3
    assert company.count == 0
    assert current_company() is None


def test_followers_are_sent_away_where_no_more_may_wait(flight: Flight[str]) -> None:
    company = Company()
    with following(flight, 2) as found, working_for(flight.errand), accompanied(company):
        assert wait_until(lambda: company.count == 2, 30)
        company.is_full = True
        assert wait_until(lambda: company.count == 0, 30)
    assert [type(one) for one in found] == [FullError, FullError]


def test_followers_of_followers_are_counted_too(flight: Flight[str]) -> None:
    company = Company()
    second = SingleFlight[str]().join("another")[0]

    def lead_second() -> None:
        with working_for(second.errand):
            second.share(flight.wait(60))

    with ThreadPoolExecutor(1) as pool, following(second, 1) as found:
        led = pool.submit(lead_second)
        with working_for(flight.errand), accompanied(company):
            assert wait_until(lambda: company.count == 2, 30)
            flight.share("value")
        led.result(30)
    assert found == ["value"]


def test_who_waits_for_a_leader_without_company_waits_as_long_as_told(flight: Flight[str]) -> None:
    with working_for(flight.errand), following(flight, 1, 0.01) as found:
        pass
    assert [type(one) for one in found] == [FlightTimeoutError]
