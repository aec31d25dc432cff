"""Tiles that are being made, and who waits for them."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from caching.company import Errand, wait_along
from caching.keys import DerivativeKey
from images.decoders.metatiles import Grid, GridTile
from images.decoders.records import Made


@dataclass(frozen=True, slots=True)
class Order:
    """A tile that has to be made, and how.

    `subject`: the image and its grid, to tell what else was asked for lately. `key_of` names a tile in the cache,
    `make_alone` decodes only the one, `make` several, the first one first; it ends the decoder when its context is
    left. `is_quick`: tiles are made about as fast as they are written, so that those that nobody waits for stay in
    memory, and other processes are not asked whether they have them.
    """

    subject: str
    grid: Grid
    tile: GridTile
    media_type: str
    key_of: Callable[[GridTile], DerivativeKey]
    make_alone: Callable[[], bytes]
    make: Callable[[Sequence[GridTile]], AbstractContextManager[Made]]
    is_quick: bool = False


class Promise:
    """A tile that somebody is making, on an errand for whoever waits for it."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self.is_wanted = False
        self._settled = threading.Event()
        self._body: bytes | None = None
        self.is_left = False
        """Whether nobody tried to make it here: another process does, or has, or it was given up for something else."""

    def settle(self, body: bytes | None) -> None:
        """With None where it could not be made together with others."""
        if not self._settled.is_set():
            self._body = body
            self._settled.set()

    def wait(self, seconds: float) -> bytes | None:
        return self._body if wait_along(self._settled, self._errand, seconds) else None


_GRACE_SECONDS = 0.15
"""From a tile that was waited for to the next request: what a viewer takes that is far away."""


@dataclass(eq=False, slots=True)
class Run:
    """A job under way that makes `tiles`; `claimed`: those of them that are still to come."""

    order: Order
    tiles: Sequence[GridTile]
    claimed: dict[GridTile, Promise]
    made: Made
    wanted_at: float = field(default_factory=time.monotonic)
    """When somebody got a tile of it for which he had waited; the first one, to begin with."""

    @property
    def is_waited_for(self) -> bool:
        """Called with the lock held that guards `claimed`, as also the other."""
        return any(promise.is_wanted for promise in self.claimed.values())

    @property
    def is_followed(self) -> bool:
        """Whether a viewer who got a tile of it may be about to ask for the next one."""
        return time.monotonic() - self.wanted_at < _GRACE_SECONDS
