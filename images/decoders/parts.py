"""A source that comes to its decoder in parts, one after the other as they are asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from images.decoders.cuts import Cuts


@dataclass(frozen=True, slots=True)
class Part:
    """A file of its own that holds one piece of the rectangle that a plan reads.

    Its level at `reduction` has `width` × `height` pixels, and the piece begins at `x`, `y` of it.
    """

    data: bytes
    width: int
    height: int
    reduction: int
    x: int
    y: int

    def facts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in _FACTS}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], data: bytes) -> "Part":
        return cls(data, **{name: int(facts[name]) for name in _FACTS})


_FACTS = ("width", "height", "reduction", "x", "y")


@dataclass(frozen=True, slots=True)
class Parts:
    """`get` gives the part with the number of its piece in `cuts`; what it raises ends the answer."""

    cuts: Cuts
    get: Callable[[int], Part]

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.cuts.columns, "rows": self.cuts.rows}


def cuts_from_json(data: Mapping[str, Any]) -> Cuts:
    return Cuts(tuple(data["columns"]), tuple(data["rows"]))
