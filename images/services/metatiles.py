"""Tiles that are made together: one leader decodes, the tile that was asked for leaves first, the others are kept.

Whoever asks for a tile that is being made waits for it; a tile that nobody waits for goes into the cache in the
background. Nothing that goes wrong with the others touches the tile that was asked for: it is then made alone.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from caching.company import Errand, working_for
from caching.counters import Counters, Tally
from caching.derivatives import DerivativeCache
from caching.keys import DerivativeKey
from images.decoders.errors import DecodeError, OverloadedError
from images.decoders.metatiles import GridTile, Seen, choose, is_viewed
from images.decoders.records import Made
from images.services.demand import Demand
from images.services.promises import Order, Promise, Run
from images.sources.errors import SourceError

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 2.0
"""With another process that makes the same: it has made the first tile long before."""


class Workshop:
    """Makes tiles, those of one metatile together where that pays. One per process; thread-safe."""

    def __init__(
        self,
        cache: DerivativeCache,
        patience_seconds: float,
        demand: Demand | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._cache = cache
        self._patience_seconds = patience_seconds
        self._demand = demand or Demand()
        self._lock = threading.Lock()
        self._promises: dict[str, Promise] = {}
        self._runs: set[Run] = set()
        self._ordered = threading.local()
        self._tally = Tally(counters, "iiif_tiles_made", ("single", "together", "ahead"))

    def make(self, order: Order) -> bytes:
        """The bytes of the tile that is ordered. Raises what `make_alone` raises."""
        self._ordered.order = order
        try:
            return self._make(order, self._look(order), is_first=True)
        finally:
            self._ordered.order = None

    def _look(self, order: Order) -> Seen:
        """What was asked for lately; where it matters, when the viewer has told where its screen lies."""
        seen = self._demand.note(order.subject, order.grid, order.tile)
        if not order.grid.follows_screens or not is_viewed(order.grid, order.tile, seen.recent):
            return seen
        with self._lock:
            is_promised = order.key_of(order.tile).digest in self._promises
        return seen if is_promised else self._demand.settled(order.subject, order.tile, seen)

    def _make(self, order: Order, seen: Seen, *, is_first: bool) -> bytes:
        errand = Errand()
        with self._lock:
            promise = self._promises.get(order.key_of(order.tile).digest)
            if promise is not None:
                promise.is_wanted = True
            else:
                claimed = self._claim(order, seen, errand)
        if promise is not None:
            body = promise.wait(self._patience_seconds)
            if body is None and promise.is_left and is_first:
                return self._found(order) or self._make(order, seen, is_first=False)
            return body or self._alone(order)
        with working_for(errand):
            if len(claimed) == 1:
                return self._claimed_alone(order, claimed)
            self._demand.add(order.subject, claimed)
            return self._lead(order, claimed)

    def stats(self) -> dict[str, int]:
        """Decodes of single tiles and of several, and tiles that were kept before anybody asked for them."""
        return self._tally.snapshot()

    def _claim(self, order: Order, seen: Seen, errand: Errand) -> dict[GridTile, Promise]:
        """Promise every tile that will be made. Called with the lock held."""
        made_lately = frozenset(seen.recent) if order.is_quick else frozenset()

        def is_taken(tile: GridTile) -> bool:
            return tile in made_lately or order.key_of(tile).digest in self._promises

        claimed = {tile: Promise(errand) for tile in choose(order.grid, order.tile, seen, is_taken)}
        for tile, promise in claimed.items():
            self._promises[order.key_of(tile).digest] = promise
        return claimed

    def _release(self, order: Order, claimed: dict[GridTile, Promise], body: bytes | None = None) -> None:
        """Take promises back; whoever waits for one gets `body`."""
        with self._lock:
            released = dict(claimed)
            for tile, promise in released.items():
                self._forget(order.key_of(tile).digest, promise)
        for promise in released.values():
            promise.settle(body)

    def _forget(self, digest: str, promise: Promise) -> None:
        """Called with the lock held. Meanwhile the tile may have been promised once more."""
        if self._promises.get(digest) is promise:
            del self._promises[digest]

    def _leave(self, order: Order, claimed: dict[GridTile, Promise], tiles: Iterable[GridTile]) -> None:
        """Take back the promises of tiles that others have made, or make; whoever waits for one may look again."""
        with self._lock:
            left = {tile: claimed.pop(tile) for tile in tiles if tile in claimed}
        for promise in left.values():
            promise.is_left = True
        self._release(order, left)

    def _found(self, order: Order, *, anywhere: bool = True) -> bytes | None:
        found = (self._cache.find_anywhere if anywhere else self._cache.find)(order.key_of(order.tile))
        return None if found is None else b"".join(found.chunks)

    def _alone(self, order: Order) -> bytes:
        self._tally.count("single")
        return order.make_alone()

    def _claimed_alone(self, order: Order, claimed: dict[GridTile, Promise]) -> bytes:
        body = None
        try:
            body = self._alone(order)
        finally:
            self._release(order, claimed, body)
        return body

    def _lead(self, order: Order, claimed: dict[GridTile, Promise]) -> bytes:
        """Decode the tiles together; a thread goes on with the rest when the first is there."""
        with ExitStack() as held:
            held.callback(self._release, order, claimed)
            found = None if order.is_quick else self._made_elsewhere(order, held)
            if found is not None:
                claimed[order.tile].settle(found)
                self._leave(order, claimed, list(claimed))
                return found
            if not order.is_quick:
                self._leave_to_others(order, claimed, held)
            others = [tile for tile in claimed if tile != order.tile]
            self._leave(order, claimed, [tile for tile in others if self._cache.remembers(order.key_of(tile))])
            tiles = list(claimed)  # the one that is ordered first
            begun = self._begin(order, tiles, held) if len(tiles) > 1 else None
            if begun is not None:
                body, made = begun
                self._release(order, {order.tile: claimed.pop(order.tile)}, body)
                self._go_on(Run(order, tiles, claimed, made), held.pop_all())
                return body
        return self._alone(order)

    def _made_elsewhere(self, order: Order, held: ExitStack) -> bytes | None:
        """The tile where another process was faster; else no other makes tiles of its cell while `held`."""
        digest = _cell_digest(order, order.grid.cell(order.tile))
        turn = held.enter_context(self._cache.alone.working(digest, _PATIENCE_SECONDS))
        return self._found(order, anywhere=turn.waited)

    def _leave_to_others(self, order: Order, claimed: dict[GridTile, Promise], held: ExitStack) -> None:
        """Take back what was promised of cells that another process is making; no other makes the rest while `held`."""
        cells: dict[GridTile, list[GridTile]] = {}
        for tile in claimed:
            cells.setdefault(order.grid.cell(tile), []).append(tile)
        del cells[order.grid.cell(order.tile)]
        for cell, tiles in cells.items():
            if not held.enter_context(self._cache.alone.working(_cell_digest(order, cell), 0)).is_ours:
                self._leave(order, claimed, tiles)

    def make_room(self) -> None:
        """Give up what nobody waits for. Called in a thread that waits for a decoder, again and again."""
        with self._lock:
            given_up = [run for run in self._runs if not (run.is_waited_for or self._is_followed(run))]
            self._runs.difference_update(given_up)
        for run in given_up:
            self._leave(run.order, run.claimed, list(run.claimed))
            if run.made.enough is not None:
                run.made.enough()

    def _is_followed(self, run: Run) -> bool:
        waiting: Order | None = getattr(self._ordered, "order", None)
        if waiting is not None and waiting.subject == run.order.subject:
            return run.is_followed and not self._demand.has_moved_on(waiting.subject, run.order.tile, waiting.tile)
        return run.is_followed

    def _go_on(self, run: Run, rest: ExitStack) -> None:
        """Finish in a thread; without one, the tile that was asked for is all there is."""
        try:
            threading.Thread(target=self._finish, args=(run, rest), name="metatile", daemon=True).start()
        except RuntimeError as error:
            logger.warning("No thread for the tiles around %s: %s", run.order.tile, error)
            rest.close()

    def _begin(self, order: Order, tiles: Sequence[GridTile], held: ExitStack) -> tuple[bytes, Made] | None:
        """The first tile, and those that are still being made; None where they cannot be made together."""
        try:
            made = held.enter_context(order.make(tiles))
            body = next(made.tiles)[1]
        except OverloadedError:
            raise
        except SourceError as error:
            if not order.is_quick:
                raise  # alone it would read the same, and wait for it once more
            logger.info("The tiles around %s could not be read together: %s", order.tile, error)
            return None
        except (DecodeError, StopIteration) as error:
            logger.info("The tiles around %s could not be made together: %s", order.tile, error)
            return None
        self._tally.count("together")
        return body, made

    def _finish(self, run: Run, rest: ExitStack) -> None:
        """Hand the other tiles to those who wait for them, and keep what nobody waits for."""
        with self._lock:
            if run.made.enough is not None:
                self._runs.add(run)
        try:
            with rest:
                for number, body in run.made.tiles:
                    self._hand_over(run, run.tiles[number], body)
        except (DecodeError, SourceError) as error:
            logger.info("The tiles around %s could not all be made: %s", run.order.tile, error)
        finally:
            with self._lock:
                self._runs.discard(run)

    def _hand_over(self, run: Run, tile: GridTile, body: bytes) -> None:
        order, promise = run.order, run.claimed.get(tile)  # none where the run was given up
        is_wanted = promise is not None and promise.is_wanted
        if is_wanted:  # whoever wants it keeps it
            run.wanted_at = time.monotonic()
        else:
            keep = self._cache.remember if order.is_quick else self._cache.keep
            keep(order.key_of(tile), order.media_type, body)
        self._tally.count("ahead", int(not is_wanted))
        if promise is not None:
            self._release(order, {tile: promise}, body)
            with self._lock:
                run.claimed.pop(tile, None)


def _cell_digest(order: Order, cell: GridTile) -> str:
    """Of the work on a cell, named by its first tile: other than that of the tile."""
    first = order.key_of(cell)
    return DerivativeKey(first.image, first.version, f"cell/{first.parameters}", first.encoding).digest
