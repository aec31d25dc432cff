"""Which names come most often, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005), pruned in batches.

Whoever comes in more than one in `capacity` requests is in the table. A name that was dropped and comes again starts
anew and bears how much it may have had before.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeavyName:
    """`requests` and `byte_size` are what was counted; up to `missed` requests more may have come."""

    name: str
    requests: int
    byte_size: int
    missed: int = 0


class Heavy:
    """The names that come most often. Not thread-safe."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._floor = 0
        self._rows: dict[str, list[int]] = {}

    def note(self, name: str, byte_size: int) -> None:
        row = self._rows.get(name)
        if row is None:
            if len(self._rows) >= 2 * self._capacity:
                self._prune()
            self._rows[name] = [1, byte_size, self._floor]
        else:
            row[0] += 1
            row[1] += byte_size

    def top(self, count: int | None = None) -> list[HeavyName]:
        """The names, most requests first."""
        rows = [HeavyName(name, *row) for name, row in self._rows.items()]
        return ranked(rows)[: count or self._capacity]

    def _prune(self) -> None:
        """Drop half; what the largest of them may have had is what any unknown name may have had."""
        rows = sorted(self._rows.items(), key=lambda item: item[1][0] + item[1][2], reverse=True)
        self._floor = max([self._floor, *(row[0] + row[2] for _, row in rows[self._capacity :])])
        self._rows = dict(rows[: self._capacity])


def ranked(rows: Iterable[HeavyName]) -> list[HeavyName]:
    return sorted(rows, key=lambda row: (-row.requests, -row.byte_size, row.name))


def merged(tables: Iterable[Iterable[HeavyName]], capacity: int) -> list[HeavyName]:
    """One table of several, of at most `capacity` names."""
    sums: dict[str, HeavyName] = {}
    for table in tables:
        for row in table:
            known = sums.get(row.name, HeavyName(row.name, 0, 0))
            sums[row.name] = HeavyName(
                row.name, known.requests + row.requests, known.byte_size + row.byte_size, known.missed + row.missed
            )
    return ranked(sums.values())[:capacity]
