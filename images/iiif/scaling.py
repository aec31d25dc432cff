"""Sizes from sizes: the one place where a width or height of an answer is rounded.

"The rounding method is implementation specific" (Image API 3.0 §4.7), but clients compute the sizes of tiles and of
whole levels with ceil(length / scale factor); where a size can be one of those, it is. Otherwise halves go up. No
side is ever 0.
"""

from math import isqrt

from images.iiif.geometry import Size
from images.iiif.grammar import ceil_divide
from images.iiif.limits import Limits


def scale_to_width(region: Size, width: int) -> Size:
    """The size `width,` of a region that keeps its aspect ratio."""
    return Size(width, _other_side(region.width, region.height, width))


def scale_to_height(region: Size, height: int) -> Size:
    """The size `,height` of a region that keeps its aspect ratio."""
    return Size(_other_side(region.height, region.width, height), height)


def _other_side(side: int, other: int, scaled: int) -> int:
    """`other`, scaled as `side` was to `scaled`, in pixels, at least 1.

    Scale factors are powers of two (`images.iiif.tiles`). Where several would give `scaled` (then it is 1), the
    smallest is taken: it distorts least.
    """
    scale_factor = 1
    while scaled <= side and scale_factor <= 2 * side:
        reduced = ceil_divide(side, scale_factor)
        if reduced == scaled:
            return ceil_divide(other, scale_factor)
        if reduced < scaled:
            break
        scale_factor *= 2
    return max(1, (2 * other * scaled + side) // (2 * side))


def fit(region: Size, box: Size | None, limits: Limits) -> Size:
    """The largest size with the region's aspect ratio within a box and the limits.

    It may be larger than the region if the box is; with neither box nor limits it is the region's own size.
    """
    if box == region and limits.allow(region):
        return region
    max_width = _smaller(None if box is None else box.width, limits.max_width)
    max_height = _smaller(None if box is None else box.height, limits.effective_max_height)
    if max_width is not None and max_height is not None:
        size = _fit_box(region, Size(max_width, max_height))
    elif limits.max_area is not None:
        return _fit_area(region, limits.max_area)
    else:
        return region
    if limits.max_area is not None and size.area > limits.max_area:
        smaller = _fit_area(region, limits.max_area)
        return Size(min(size.width, smaller.width), min(size.height, smaller.height))
    return size


def _smaller(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _fit_box(region: Size, box: Size) -> Size:
    if box.width * region.height <= box.height * region.width:
        size = scale_to_width(region, box.width)
        return Size(size.width, min(size.height, box.height))
    size = scale_to_height(region, box.height)
    return Size(min(size.width, box.width), size.height)


def _fit_area(region: Size, area: int) -> Size:
    """Both sides are rounded down (Image API 3.0, implementation notes §4): the area stays within the limit."""
    width = max(1, isqrt(area * region.width // region.height))
    height = max(1, isqrt(area * region.height // region.width))
    return Size(min(width, area // height) or 1, min(height, area // width) or 1)
