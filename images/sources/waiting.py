"""Waiting for a store: counted among those who do, and refused where too many wait for nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from caching.company import accompanied, current_company
from caching.sources.crowds import Crowds, StoreStalledError
from images.sources.errors import (
    SourceDisabledError,
    SourceError,
    SourceNotAllowedError,
    SourceStalledError,
    SourceUnreachableError,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Awaited:
    """A source whose bytes are not here. Implements `Company`.

    `host` names what hangs as a whole: the store, or the web server of what lies in none. `place`: the source.
    """

    crowds: Crowds
    host: str
    place: str

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For bytes that somebody has to fetch; once is enough for a thread.

        Raises SourceStalledError where too many wait and nothing comes.
        """
        if current_company() == self:
            yield
            return
        with accompanied(self), self._refusing(), self.crowds.waiting(self.host, self.place):
            yield

    @contextmanager
    def along(self) -> Iterator[Callable[[], None]]:
        """For somebody in `waiting`. Raises SourceStalledError, as does what it gives."""
        with self._refusing(), self.crowds.along(self.host, self.place) as check:
            yield check

    def asked(self, work: Callable[[], T], byte_count: int = 0) -> T:
        """The outcome of `work`, which asks the store; what that says of the store is noted. Raises what it raises."""
        begun = time.monotonic()
        self.crowds.note_request(self.host, self.place, byte_count)
        try:
            result = work()
        except (SourceDisabledError, SourceNotAllowedError, SourceStalledError):
            raise
        except SourceUnreachableError:
            self.crowds.note_silence(self.host, self.place, time.monotonic() - begun)
            raise
        except SourceError:
            self.crowds.note_answer(self.host, self.place)
            raise
        self.crowds.note_delivery(self.host, self.place, time.monotonic() - begun)
        return result

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except StoreStalledError as error:
            raise SourceStalledError("The store does not answer.", self.host, error.retry_after) from error
