"""The raster that thumbnails are made from: the whole image, small, without loss, in the source's colours. Pure."""

from dataclasses import replace
from typing import Any

from images.decoders import orientation
from images.decoders.layers import LayerPolicy
from images.decoders.plan import DecodePlan, plan
from images.decoders.render import RenderRequest
from images.iiif.geometry import Region, Size
from images.indexes.description import Level, SourceDescription, SourceFormat

REVISION = 2
"""Raised when a raster holds other pixels than before."""

MEDIA_TYPE = "image/tiff"


def base_name(base: Size) -> str:
    return f"thumbnail/{base.width},{base.height}/r{REVISION}"


def plan_base(
    description: SourceDescription, base: Size, layer_policy: LayerPolicy, memory_limit: int | None
) -> DecodePlan:
    """The plan for the whole image at that size. Raises DecodeError."""
    whole = RenderRequest(Region(0, 0, description.width, description.height), base)
    return plan(description, whole, memory_limit=memory_limit, layer_policy=layer_policy)


def base_job(planned: DecodePlan) -> dict[str, Any]:
    """The job for a Runner that decodes what `plan_base` planned."""
    return {"kind": "thumbnail", "plan": planned.to_json()}


def plan_from_base(description: SourceDescription, base: Size, request: RenderRequest) -> DecodePlan:
    """The plan for a thumbnail, with the raster as the only level of the source. `request`: of the whole image.

    So a level of the pyramid has a scale of exactly 1 / 2ⁿ here too, and zooming moves nothing.
    """
    is_turned = orientation.swaps_axes(description.orientation)
    stored = Level(base.height, base.width) if is_turned else Level(base.width, base.height)
    return plan(replace(description, source_format=SourceFormat.TIFF, levels=(stored,), detail={}), request)
