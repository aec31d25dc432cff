"""Small levels of JPEG 2000 sources, decoded once and kept as they came out of the decoder.

A small level costs nearly as much as a tile of a large one: the decoder has to find its way through the whole file. The
kept form is a TIFF without loss, in the colours of the source, so that all that follows the decoding is the same.
"""

from dataclasses import replace
from typing import Any

from images.decoders.layers import LayerPolicy
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.iiif.geometry import Region, Size
from images.indexes.description import Level, SourceDescription, SourceFormat

REVISION = 1
"""Raised when a kept level holds other bytes than before."""

MEDIA_TYPE = "image/tiff"


def is_kept(level: Level, source_format: SourceFormat, longest: int) -> bool:
    """Whether a level of at most `longest` pixels a side is kept."""
    return source_format is SourceFormat.JP2 and max(level.width, level.height) <= longest


def kept_name(level: Level) -> str:
    return f"level/{level.reduction}/r{REVISION}"


def plan_level(description: SourceDescription, level: Level, layer_policy: LayerPolicy) -> DecodePlan:
    """The plan for a whole level, as it is stored."""
    full = description.levels[0]
    upright = replace(description, width=full.width, height=full.height, orientation=1)
    whole = RenderRequest(Region(0, 0, full.width, full.height), Size(level.width, level.height))
    return plan(upright, whole, layer_policy=layer_policy)


def level_job(planned: DecodePlan) -> dict[str, Any]:
    """The job for a Runner that decodes what `plan_level` planned."""
    return {"kind": "level", "plan": planned.to_json()}


def from_kept(planned: DecodePlan) -> DecodePlan:
    """The plan for a kept level in place of the source."""
    level = Level(planned.level.width, planned.level.height)
    return replace(planned, source_format=SourceFormat.TIFF, level=level)
