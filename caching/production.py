"""What goes into the cache and what comes out of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["hit", "miss", "waited", "bypassed", "pass_through"]


@dataclass(frozen=True, slots=True)
class Production:
    """A derivative being made. `chunks` is closed, where it has a close method, at every end.

    `is_quick`: it is made again about as fast as it is written, so that keeping it pays only for who asks twice.
    """

    content_type: str
    chunks: Iterator[bytes]
    is_quick: bool = False


@dataclass(frozen=True, slots=True)
class Derivative:
    """A derivative to be sent.

    `length` is None while it is not known. `outcome`: from the cache; made and kept (or tried to);
    shared with a request that was making it; made while nothing is kept; sent as it
    lies in its source.
    """

    content_type: str
    length: int | None
    chunks: Iterator[bytes]
    outcome: Outcome

    def close(self) -> None:
        """To be called by whoever does not read `chunks` to the end."""
        close_chunks(self.chunks)


@dataclass(frozen=True, slots=True)
class Landing:
    """What a leader has for its followers: a body, or the word that it lies in the cache.

    `withheld`: it is not kept as nobody had asked for it before; who asks next is the second.
    """

    content_type: str
    body: bytes | None
    kept: bool
    withheld: bool = False


def close_chunks(chunks: Iterator[bytes]) -> None:
    """Close an iterator of chunks where it can be closed."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
