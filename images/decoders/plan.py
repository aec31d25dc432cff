"""From a request and the description of a source to what must be decoded. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from images.decoders.render import RenderRequest
from images.indexes.description import SourceDescription


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """Everything a decoder needs to know; a value that travels as JSON.

    `pixels`: pixels that will be decoded. `memory_bytes`: estimate of the peak. `is_dear`: belongs into the slow lane.
    `streams`: the first bytes leave before the last pixel is decoded.
    """

    source: SourceDescription
    request: RenderRequest
    pixels: int = 0
    memory_bytes: int = 0
    is_dear: bool = False
    streams: bool = False

    def to_json(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DecodePlan":
        raise NotImplementedError


def plan(description: SourceDescription, request: RenderRequest) -> DecodePlan:
    """Choose the stored level, the rectangle of it to decode, and the scale that remains."""
    raise NotImplementedError
