"""Rectangles and sizes in whole pixels.

Everything here is an integer: rounding happens once, where a parameter is resolved.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels of the full image; x and y are its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)
