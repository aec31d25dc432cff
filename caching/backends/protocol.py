"""What a place for derivatives has to offer. Every implementation passes the contract tests.

Methods raise nothing but CacheError.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from caching.eviction import NOTHING, Amount
from caching.keys import DerivativeKey


@dataclass(frozen=True, slots=True)
class Entry:
    """A verified entry: `chunks` are exactly the `length` bytes that were written under its key.

    Where `chunks` has a close method, whoever does not read to the end has to call it.
    """

    content_type: str
    length: int
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a backend holds; `measured` is False while that is known only in part."""

    held: Amount
    budget: Amount
    measured: bool = True

    @property
    def wants_sweep(self) -> bool:
        """Whether it is time to make room, before writers are refused."""
        return not self.measured or not self.held.fits(self.budget.scaled(0.95))


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one sweep did; `ran` is False if another sweeper was at work."""

    ran: bool
    evicted: Amount = NOTHING
    leftovers: int = 0
    damaged: int = 0
    usage: Usage | None = None


class EntryWriter(Protocol):
    """An entry that nobody sees before `commit`. After commit or discard it is of no more use."""

    def write(self, chunk: bytes) -> None: ...

    def commit(self) -> Usage:
        """Make the entry visible as a whole. Raises CacheFullError if the budget has no room."""

    def discard(self) -> None:
        """Leave nothing behind. Harmless after commit or a failure."""


class DerivativeBackend(Protocol):
    def find(self, key: DerivativeKey) -> Entry | None:
        """The entry, checked as a whole before its first byte is handed out.

        Raises CorruptEntryError, after the entry was removed.
        """

    def open_writer(self, key: DerivativeKey, content_type: str) -> EntryWriter | None:
        """A writer, or None where nothing is kept."""

    def discard(self, image: str | None = None, before_version: int | None = None, *, dry_run: bool = False) -> Amount:
        """Remove entries of one image or of all, or only those of older versions; what was freed."""

    def sweep(self) -> SweepReport:
        """Bring the backend within its budget and remove what is of no use."""

    def usage(self) -> Usage: ...
