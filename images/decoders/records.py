"""The jobs that make many tiles, and their answer, as the server sees them: no library of the decoders is loaded here.

The answer is a sequence of records: number and length as two unsigned integers of four bytes, then the encoded tile.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from images.decoders.errors import DecoderDiedError
from images.decoders.plan import DecodePlan
from images.iiif.geometry import Region

_RECORD = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class Made:
    """Number and bytes of each of several tiles, as they are made. `enough`: tells that nobody wants the others.

    None where they are all decoded when the first one is there.
    """

    tiles: Iterator[tuple[int, bytes]]
    enough: Callable[[], None] | None = None


def tiles_job(plan: DecodePlan, cuts: Sequence[Region]) -> dict[str, Any]:
    """The job for a Runner: `cuts` in pixels of the answer to `plan` (before its rotation, which is none), none empty.

    The first tile leaves as soon as it is there.
    """
    return {
        "kind": "tiles",
        "plan": plan.to_json(),
        "cuts": [[cut.x, cut.y, cut.width, cut.height] for cut in cuts],
    }


def cuts_job(jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The job that does several of `pass_through.plan_cut`, each with the `place` of its tile in the source."""
    return {"kind": "cuts", "jobs": [dict(job) for job in jobs]}


def cuts_from_json(data: Iterable[Sequence[int]]) -> list[Region]:
    return [Region(*cut) for cut in data]


def pack_record(number: int, length: int) -> bytes:
    """What goes before the `length` bytes of a tile."""
    return _RECORD.pack(number, length)


def read_tiles(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each tile, as they come. Raises DecoderDiedError where the last one is cut off."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _RECORD.size:
            number, length = _RECORD.unpack_from(held)
            end = _RECORD.size + length
            if len(held) < end:
                break
            yield number, bytes(held[_RECORD.size : end])
            del held[:end]
    if held:
        raise DecoderDiedError("The decoder ended in the middle of a tile.")
