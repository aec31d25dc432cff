"""The sizes of thumbnails: the whole image, fitted into boxes. Pure.

`sizes` of the image information are "sizes that the server prefers" (Image API 3.0 §5.3, 2.1 §5.2).
"""

from collections.abc import Sequence

from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.scaling import fit

MAX_BOX = 2048
"""Of a side in pixels: the largest thumbnail of each image is kept without loss, some 4 MB at this size."""

_NO_LIMITS = Limits()


def thumbnail_sizes(full: Size, boxes: Sequence[int], limits: Limits = _NO_LIMITS) -> tuple[Size, ...]:
    """The image within squares of these sides, ascending, each once; only what is smaller than the image."""
    sizes = {fit(full, Size(box, box), limits) for box in boxes if box < max(full.width, full.height)}
    return tuple(sorted(sizes, key=lambda size: (size.area, size.width)))


def base_size(full: Size, boxes: Sequence[int]) -> Size:
    """The largest of them, from which the others are made; the image itself where it is no larger."""
    box = max(boxes)
    return full if max(full.width, full.height) <= box else fit(full, Size(box, box), _NO_LIMITS)


def is_reached(size: Size, base: Size, threshold_percent: float) -> bool:
    """Whether `size` can be made from `base`: it is no larger, or by no more than so many per cent on either side."""
    reach = 100 + threshold_percent
    return size.width * 100 <= base.width * reach and size.height * 100 <= base.height * reach


def listed_sizes(levels: Sequence[Size], thumbnails: Sequence[Size], scale_factors: Sequence[int]) -> tuple[Size, ...]:
    """Both, ascending, each once.

    Some viewers take `sizes` for the sizes of the levels where there are as many as levels, with or without the
    full one: then the smallest thumbnails are left out until there are not.
    """
    extra = [size for size in thumbnails if size not in levels]
    while extra and len(levels) + len(extra) in {len(scale_factors) - 1, len(scale_factors)}:
        extra.pop(0)
    return tuple(sorted({*levels, *extra}, key=lambda size: (size.area, size.width)))
