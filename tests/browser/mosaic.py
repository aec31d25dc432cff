"""Is a picture that was put together from tiles the picture that it should be?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tests.browser.pictures import Pixels

_LEAST_SIDE = 16  # pixels; shorter lines say too little on average


class MosaicError(AssertionError):
    """A picture is not what it should be; says where."""


def assert_same(mosaic: Pixels, reference: Pixels, tile: int) -> None:
    """Compare tile by tile, and line by line where tiles meet or end. `tile`: the side of a tile in pixels.

    What JPEG loses is far less than half of what a shift by one pixel would change; that is the measure.
    """
    if mosaic.shape != reference.shape:
        raise MosaicError(f"It has {mosaic.shape}, not {reference.shape}.")
    tolerance = change_by_a_pixel(reference) / 2
    worst, place = worst_difference(mosaic, reference, tile)
    if worst > tolerance:
        raise MosaicError(f"{place} differs by {worst:.1f} on average; {tolerance:.1f} would do.")


def change_by_a_pixel(reference: Pixels) -> float:
    """How much the picture differs on average from itself, moved by one pixel across or down."""
    values = reference.astype(np.int16)
    return min(float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1))


def worst_difference(mosaic: Pixels, reference: Pixels, tile: int) -> tuple[float, str]:
    """The largest mean difference of any tile or line at its edge, and where that is."""
    difference = np.abs(mosaic.astype(np.int16) - reference.astype(np.int16)).mean(axis=2)
    return max((float(difference[rows, columns].mean()), name) for name, rows, columns in _places(difference, tile))


def _places(difference: NDArray[np.float64], tile: int) -> Iterator[tuple[str, slice, slice]]:
    height, width = difference.shape
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            rows, columns, name = slice(top, bottom), slice(left, right), f"the tile at {left},{top}"
            yield name, rows, columns
            if right - left >= _LEAST_SIDE:
                yield f"the upper edge of {name}", slice(top, top + 1), columns
                yield f"the lower edge of {name}", slice(bottom - 1, bottom), columns
            if bottom - top >= _LEAST_SIDE:
                yield f"the left edge of {name}", rows, slice(left, left + 1)
                yield f"the right edge of {name}", rows, slice(right - 1, right)
