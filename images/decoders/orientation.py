"""EXIF and TIFF orientation (1 to 8): between the pixels as stored and the image as served. Pure.

Every orientation is: reverse the stored axes that `flips` names, then swap the axes from 5 on
(TIFF 6.0, Orientation; tag 274).
"""

from images.iiif.geometry import Size

_FLIPS = {
    1: (False, False),
    2: (True, False),
    3: (True, True),
    4: (False, True),
    5: (False, False),
    6: (False, True),
    7: (True, True),
    8: (True, False),
}


def flips(orientation: int) -> tuple[bool, bool]:
    """Whether the stored x axis and the stored y axis run backwards."""
    return _FLIPS[orientation]


def swaps_axes(orientation: int) -> bool:
    return orientation >= 5


def turned(size: Size, orientation: int) -> Size:
    """Stored size to served size, and back."""
    return Size(size.height, size.width) if swaps_axes(orientation) else size
