"""Which kept files of sources have to go: a pure decision over a listing.

In this order: unfinished files that nobody has written to for a while; files unused for longer than they may stay;
then, while what is left is above the target, files of a version when another version of the same source was used
later, and files of any source, least recently used first. What is pinned, or is being written, is never chosen.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from caching.eviction import NOTHING, Amount, allocated

UNFINISHED_SECONDS = 600.0
"""A fill writes every few seconds or has ended; one that broke off may be taken up again until then."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of a listing. `used` and `written` are seconds since the epoch."""

    name: str
    place: str
    byte_size: int
    used: float
    written: float
    is_unfinished: bool = False

    @property
    def cost(self) -> Amount:
        return Amount(allocated(self.byte_size), 1)


def usage_of(files: Iterable[KeptFile]) -> Amount:
    total = NOTHING
    for file in files:
        total += file.cost
    return total


def plan_eviction(
    files: Sequence[KeptFile], target: Amount, *, now: float, ttl_seconds: float, pinned: Collection[str] = ()
) -> list[KeptFile]:
    """The files to remove, in order. `ttl_seconds` of 0: no file is too old. `pinned` are places."""
    free = [file for file in files if file.place not in pinned]
    chosen = [
        file
        for file in files
        if (file.is_unfinished and now - file.written > UNFINISHED_SECONDS)
        or (not file.is_unfinished and file.place not in pinned and ttl_seconds and now - file.used > ttl_seconds)
    ]
    gone = {file.name for file in chosen}
    usage = usage_of(file for file in files if file.name not in gone)
    last_use: dict[str, float] = {}
    for file in free:
        last_use[file.place] = max(file.used, last_use.get(file.place, 0.0))
    rest = [file for file in free if file.name not in gone and not file.is_unfinished]
    for file in sorted(rest, key=lambda file: (file.used >= last_use[file.place], file.used, file.name)):
        if usage.fits(target):
            break
        usage -= file.cost
        chosen.append(file)
    return chosen
