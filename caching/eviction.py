"""Which entries have to go: a pure decision over a listing.

In this order:
1. entries of superseded versions, always: a higher version of the same image makes them unreachable;
2. if the rest is above the low-water mark, entries of images that hold more than their share,
   least recently used first, as far as they exceed it: a flood of odd requests for one image must
   not push out everybody else's tiles;
3. then least recently used entries of any image.
Entries used within the grace period are never chosen.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BLOCK_BYTES = 4096
"""What file systems allocate in; also what the folder of an image costs, besides one inode."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes as allocated on disk, and files or folders (inodes)."""

    bytes: int
    entries: int

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.bytes + other.bytes, self.entries + other.entries)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.bytes - other.bytes, self.entries - other.entries)

    def fits(self, budget: "Amount") -> bool:
        return self.bytes <= budget.bytes and self.entries <= budget.entries

    def scaled(self, fraction: float) -> "Amount":
        return Amount(int(self.bytes * fraction), int(self.entries * fraction))


NOTHING = Amount(0, 0)
FOLDER = Amount(BLOCK_BYTES, 1)


@dataclass(frozen=True, slots=True)
class EntryInfo:
    """One entry of a listing; `used` is the time of its last use (seconds since the epoch).

    `block`: bytes that the place allocates in.
    """

    image: str
    version: int
    digest: str
    byte_size: int
    used: float
    block: int = BLOCK_BYTES

    @property
    def cost(self) -> Amount:
        return Amount(allocated(self.byte_size, self.block), 1)


def allocated(byte_size: int, block: int = BLOCK_BYTES) -> int:
    """Bytes that a file of this length takes on disk."""
    return -(-byte_size // block) * block


def usage_of(entries: Iterable[EntryInfo], folder: Amount = FOLDER) -> Amount:
    """What the entries and the folders of their images take together; `folder` is what one of those takes."""
    total, images = NOTHING, set()
    for entry in entries:
        total += entry.cost
        images.add(entry.image)
    return total + Amount(folder.bytes * len(images), folder.entries * len(images))


def is_young(entry: EntryInfo, now: float, grace_seconds: float) -> bool:
    """Whether the entry is within its grace period; a date in the far future gives no grace."""
    return abs(now - entry.used) < grace_seconds


def plan_eviction(
    entries: Sequence[EntryInfo],
    budget: Amount,
    *,
    now: float,
    grace_seconds: float,
    low_water: float,
    image_share: float,
    folder: Amount = FOLDER,
) -> list[EntryInfo]:
    """The entries to remove, in order; see the head of this module.

    `low_water` and `image_share` are fractions of `budget`; `folder` is what that of an image takes.
    """
    target = budget.scaled(low_water)
    newest: dict[str, int] = {}
    for entry in entries:
        newest[entry.image] = max(entry.version, newest.get(entry.image, 0))
    candidates = [entry for entry in entries if not is_young(entry, now, grace_seconds)]
    chosen = [entry for entry in candidates if entry.version < newest[entry.image]]
    usage = usage_of(entries, folder)
    left = Counter(entry.image for entry in entries)
    for entry in chosen:
        usage -= _freed_by(entry, left, folder)
    current = sorted(
        (entry for entry in candidates if entry.version == newest[entry.image]),
        key=lambda entry: (entry.used, entry.digest),
    )
    for entry in _excess_first(current, budget.scaled(image_share)):
        if usage.fits(target):
            break
        usage -= _freed_by(entry, left, folder)
        chosen.append(entry)
    return chosen


def _freed_by(entry: EntryInfo, left: Counter[str], folder: Amount) -> Amount:
    """What removing the entry frees: with the last entry of an image goes its folder."""
    left[entry.image] -= 1
    return entry.cost if left[entry.image] else entry.cost + folder


def _excess_first(oldest_first: Sequence[EntryInfo], share: Amount) -> list[EntryInfo]:
    """The same entries, those by which an image exceeds its share before all others."""
    held: dict[str, Amount] = {}
    excess: list[EntryInfo] = []
    rest: list[EntryInfo] = []
    for entry in reversed(oldest_first):
        held[entry.image] = held.get(entry.image, NOTHING) + entry.cost
        (rest if held[entry.image].fits(share) else excess).append(entry)
    return [*reversed(excess), *reversed(rest)]
