"""The region parameter (Image API 3.0 §4.1, 2.1 the same)."""

import re
from dataclasses import dataclass
from fractions import Fraction

from images.iiif.errors import MalformedParameterError, RegionOutsideImageError, shown
from images.iiif.features import Feature
from images.iiif.geometry import Region, Size
from images.iiif.grammar import DECIMAL, INTEGER, round_half_up

_PIXELS = re.compile(rf"({INTEGER}),({INTEGER}),({INTEGER}),({INTEGER})")
_PERCENTS = re.compile(rf"pct:({DECIMAL}),({DECIMAL}),({DECIMAL}),({DECIMAL})")


@dataclass(frozen=True, slots=True)
class FullRegion:
    """`full`: the whole image."""


@dataclass(frozen=True, slots=True)
class SquareRegion:
    """`square`: as wide and as high as the shorter side."""


@dataclass(frozen=True, slots=True)
class PixelRegion:
    """`x,y,w,h`: what the client wrote, which may reach over the edge."""

    region: Region


@dataclass(frozen=True, slots=True)
class PercentRegion:
    """`pct:x,y,w,h`: percentages of the full image's width and height."""

    x: Fraction
    y: Fraction
    width: Fraction
    height: Fraction


RegionParameter = FullRegion | SquareRegion | PixelRegion | PercentRegion

REGION_FEATURES: dict[type, Feature] = {
    SquareRegion: Feature.REGION_SQUARE,
    PixelRegion: Feature.REGION_BY_PX,
    PercentRegion: Feature.REGION_BY_PCT,
}
"""The feature that a form needs; `full` needs none."""


def parse_region(text: str) -> RegionParameter:
    """Read one of the four forms; raises MalformedParameterError, also for a width or height of 0."""
    if text == "full":
        return FullRegion()
    if text == "square":
        return SquareRegion()
    if match := _PIXELS.fullmatch(text):
        x, y, width, height = (int(number) for number in match.groups())
        _refuse_empty(text, width, height)
        return PixelRegion(Region(x, y, width, height))
    if match := _PERCENTS.fullmatch(text):
        percents = tuple(Fraction(number) for number in match.groups())
        _refuse_empty(text, percents[2], percents[3])
        return PercentRegion(*percents)
    raise MalformedParameterError(
        f"The region {shown(text)} is not understood: "
        "expected full, square, x,y,w,h in pixels or pct:x,y,w,h in percent."
    )


def _refuse_empty(text: str, width: int | Fraction, height: int | Fraction) -> None:
    if width == 0 or height == 0:
        raise MalformedParameterError(
            f"The region {shown(text)} is empty: its width and height must be greater than 0."
        )


def resolve_region(parameter: RegionParameter, full: Size) -> Region:
    """The pixels that are meant, cropped at the image's edge; raises RegionOutsideImageError.

    A square is centred. Percentages are rounded half up, each by itself, as the specification's examples are.
    """
    match parameter:
        case FullRegion():
            return Region(0, 0, full.width, full.height)
        case SquareRegion():
            side = min(full.width, full.height)
            return Region((full.width - side) // 2, (full.height - side) // 2, side, side)
        case PixelRegion(region):
            return _crop(region, full)
        case PercentRegion():
            return _crop(_percent_to_pixels(parameter, full), full)


def _percent_to_pixels(parameter: PercentRegion, full: Size) -> Region:
    region = Region(
        _percent_position(parameter.x, full.width),
        _percent_position(parameter.y, full.height),
        round_half_up(parameter.width * full.width / 100),
        round_half_up(parameter.height * full.height / 100),
    )
    if region.width == 0 or region.height == 0:
        raise RegionOutsideImageError(
            f"The region is smaller than one pixel of this image ({full.width} x {full.height} pixels)."
        )
    return region


def _percent_position(percent: Fraction, length: int) -> int:
    """A position inside the image stays inside when it is rounded."""
    position = round_half_up(percent * length / 100)
    return min(position, length - 1) if percent < 100 else position


def _crop(region: Region, full: Size) -> Region:
    if region.x >= full.width or region.y >= full.height:
        raise RegionOutsideImageError(
            f"The region lies outside the image, which is {full.width} x {full.height} pixels."
        )
    return Region(
        region.x,
        region.y,
        min(region.width, full.width - region.x),
        min(region.height, full.height - region.y),
    )
