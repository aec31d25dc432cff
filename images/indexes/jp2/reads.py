"""Which ranges are read where stretches of a source are needed: those that lie close to each other as one."""

from itertools import pairwise

from images.indexes.ranges import ByteRange

DISK_GAP_BYTES = 4 * 1024
"""Bytes between two needed stretches that are rather read than stepped over: a page. With 16 KiB, windows of a file
without precincts read three times what they need in half as many reads, which takes longer (0.7 ms against 0.5)."""
REMOTE_GAP_BYTES = 64 * 1024
"""The same for objects that are fetched over a network, where each range is a request."""
REQUESTS = 16
"""That a store is asked at a time: as many ranges take one round trip, more of them two."""


def joined(stretches: list[tuple[int, int]], gap_bytes: int) -> tuple[ByteRange, ...]:
    """Ranges in ascending order, those that lie close to each other as one.

    From REMOTE_GAP_BYTES on the smallest gaps are closed first, and larger ones only as long as no more is read in vain
    than is needed, or as there are more ranges than are asked for at a time.
    """
    stretches.sort()
    joined: list[tuple[int, int]] = []
    for start, stop in stretches:
        if joined and start - joined[-1][1] <= (0 if gap_bytes >= REMOTE_GAP_BYTES else gap_bytes):
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    if gap_bytes >= REMOTE_GAP_BYTES:
        joined = _requests(joined, gap_bytes)
    return tuple(ByteRange(start, stop) for start, stop in joined)


def _requests(apart: list[tuple[int, int]], gap_bytes: int) -> list[tuple[int, int]]:
    gaps = sorted((after[0] - before[1], number) for number, (before, after) in enumerate(pairwise(apart), 1))
    needed, in_vain = sum(stop - start for start, stop in apart), 0
    closed: set[int] = set()
    for gap, number in gaps:
        in_vain += gap
        if gap > gap_bytes or (in_vain > needed and len(apart) - len(closed) <= REQUESTS):
            break
        closed.add(number)
    requests: list[tuple[int, int]] = []
    for number, (start, stop) in enumerate(apart):
        if number in closed:
            requests[-1] = (requests[-1][0], stop)
        else:
            requests.append((start, stop))
    return requests
