"""Questions to the database that tiles hang on: where it does not answer, others are not kept waiting for it, too."""

from collections.abc import Callable
from typing import TypeVar

from django.db import InternalError, OperationalError

from caching.breaker import Breaker

T = TypeVar("T")

_breaker = Breaker(failures=1, rest_seconds=1.0)


def ask(question: Callable[[], T]) -> T:
    """The answer; while the database has just failed to give one, only one thread a second asks.

    Raises what the question raises; OperationalError at once for those who would only wait.
    """
    if not _breaker.allows():
        raise OperationalError("The database did not answer a moment ago.")
    try:
        answer = question()
    except (OperationalError, InternalError):
        _breaker.note_failure()
        raise
    except Exception:
        _breaker.note_success()  # whatever was wrong with the question
        raise
    _breaker.note_success()
    return answer


def expect_answers() -> None:
    """Ask again whatever happened before."""
    _breaker.note_success()
