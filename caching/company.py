"""Who waits for somebody who waits for a store waits for that store too, and is counted there.

A thread that makes what others wait for says so (`working_for`); wherever it comes to wait for a store itself, it names
the company that it is in (`accompanied`), and those who wait for it join (`wait_along`), or are sent away.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

_NAP_SECONDS = 0.1
"""Between two looks at whom one waits for; who waits no longer than this is not counted."""


class Company(Protocol):
    """Those who wait for the same store."""

    def along(self) -> AbstractContextManager[Callable[[], None]]:
        """Be counted. What it gives raises, as this does, where one more cannot wait; to be called again and again."""
        ...


class Errand:
    """What a thread does for others; `company` while it waits for a store."""

    __slots__ = ("company",)

    def __init__(self) -> None:
        self.company: Company | None = None


class _Mine(threading.local):
    """What this thread does for others, and the company that it is in itself."""

    def __init__(self) -> None:
        self.errands: list[Errand] = []
        self.company: Company | None = None


_mine = _Mine()


@contextmanager
def working_for(errand: Errand) -> Iterator[None]:
    """This thread does what others wait for."""
    errands = _mine.errands
    errands.append(errand)
    errand.company = _mine.company
    try:
        yield
    finally:
        errands.remove(errand)
        errand.company = None


@contextmanager
def accompanied(company: Company) -> Iterator[None]:
    """This thread waits for a store, and so does everybody who waits for this thread."""
    before = _mine.company
    _name(company)
    try:
        yield
    finally:
        _name(before)


def current_company() -> Company | None:
    """That in which this thread waits."""
    return _mine.company


def wait_along(over: threading.Event, errand: Errand, seconds: float) -> bool:
    """Wait for `over`, as `Event.wait` does; while who is on the errand waits for a store, in the same company.

    Raises what the company raises.
    """
    deadline = time.monotonic() + seconds
    while not over.wait(_nap(deadline)):
        company = errand.company
        if company is not None:
            if _wait_in(company, over, errand, deadline):
                return True
        elif time.monotonic() >= deadline:
            return False
    return True


def _wait_in(company: Company, over: threading.Event, errand: Errand, deadline: float) -> bool:
    with company.along() as check, accompanied(company):
        while errand.company is company and time.monotonic() < deadline:
            check()
            if over.wait(_nap(deadline)):
                return True
    return over.is_set()


def _nap(deadline: float) -> float:
    return min(_NAP_SECONDS, max(0.0, deadline - time.monotonic()))


def _name(company: Company | None) -> None:
    _mine.company = company
    for errand in _mine.errands:
        errand.company = company
