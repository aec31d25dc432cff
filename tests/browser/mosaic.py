"""Is a picture that was put together from tiles the picture that it should be?"""

from collections.abc import Iterator

import numpy as np

from tests.browser.pictures import Pixels

TOLERANCE = 9.0
"""Mean difference, of 255, of a tile or of a line along its edge: JPEG and another way to reduce stay below it, a shift
by one pixel does not (`test_openseadragon` proves both)."""


class MosaicError(AssertionError):
    """The picture and its tiles differ; says where."""


def assert_same(mosaic: Pixels, reference: Pixels, tile: int, tolerance: float = TOLERANCE) -> None:
    """Compare tile by tile, and line by line where tiles meet or end."""
    if mosaic.shape != reference.shape:
        raise MosaicError(f"The tiles make {mosaic.shape}, not {reference.shape}.")
    worst, place = worst_difference(mosaic, reference, tile)
    if worst > tolerance:
        raise MosaicError(f"{place} differs by {worst:.1f} on average; {tolerance:.1f} would do.")


def worst_difference(mosaic: Pixels, reference: Pixels, tile: int) -> tuple[float, str]:
    """The largest mean difference of any tile or line at its edge, and where that is."""
    difference = np.abs(mosaic.astype(np.int16) - reference.astype(np.int16)).mean(axis=2)
    return max((float(difference[rows, columns].mean()), name) for name, rows, columns in _places(difference, tile))


def _places(difference: np.ndarray, tile: int) -> Iterator[tuple[str, slice, slice]]:
    height, width = difference.shape
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            rows, columns, name = slice(top, bottom), slice(left, right), f"tile {left},{top}"
            yield name, rows, columns
            if right - left > 16 and bottom - top > 16:
                yield f"the upper edge of {name}", slice(top, top + 1), columns
                yield f"the lower edge of {name}", slice(bottom - 1, bottom), columns
                yield f"the left edge of {name}", rows, slice(left, left + 1)
                yield f"the right edge of {name}", rows, slice(right - 1, right)
