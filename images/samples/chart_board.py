"""The board on which the chart is drawn: its sheets, what lies where, and which places are taken."""

import math

import numpy as np
from numpy.typing import NDArray

from images.samples.engraving import Point, Sheet
from images.samples.noise import Field
from images.samples.terrain import CELL, Terrain


class Board:
    """The chart while it is drawn. `unit` is the size of a pixel by that of a chart 12288 pixels wide."""

    def __init__(self, terrain: Terrain, width: int, height: int, *, seed: int) -> None:
        self.terrain = terrain
        self.width = width
        self.height = height
        self.unit = width / 12288
        self.land = Sheet(width, height)
        self.sea = Sheet(width, height)
        self.seed = seed
        self.random = np.random.default_rng(seed + 10)
        self.taken = np.zeros(terrain.shore.shape, bool)
        margin = int(450 * self.unit / CELL) + 1
        for border in (np.s_[:margin], np.s_[-margin:], np.s_[:, :margin], np.s_[:, -margin:]):
            self.taken[border] = True
        self.take(*self.cartouche_bounds())

    def shore_at(self, x: float, y: float) -> float:
        """Pixels to the coast, negative at sea."""
        row = min(max(int(y / CELL), 0), self.terrain.rows - 1)
        column = min(max(int(x / CELL), 0), self.terrain.columns - 1)
        return float(self.terrain.shore[row, column]) * CELL

    def slope_at(self, x: float, y: float) -> float:
        row, column = min(int(y / CELL), self.terrain.rows - 1), min(int(x / CELL), self.terrain.columns - 1)
        return math.hypot(self.terrain.across[row, column], self.terrain.down[row, column])

    def cells(self, x: Field, y: Field) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The columns and rows of the grid in which these pixels lie."""
        column = np.clip(x / CELL, 0, self.terrain.columns - 1).astype(np.int32)
        row = np.clip(y / CELL, 0, self.terrain.rows - 1).astype(np.int32)
        return column, row

    def slope(self, x: Field, y: Field) -> Field:
        column, row = self.cells(x, y)
        return np.asarray(np.hypot(self.terrain.across[row, column], self.terrain.down[row, column]))

    def cartouche_bounds(self) -> tuple[float, float, float, float]:
        u = self.unit
        left, bottom = 760 * u, self.height - 760 * u
        return left, bottom - 1650 * u, left + 2900 * u, bottom

    def is_free(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether nothing is there yet, and the frame not near."""
        margin = 560 * self.unit
        if left < margin or top < margin or right > self.width - margin or bottom > self.height - margin:
            return False
        return not bool(self.taken[self._area(left, top, right, bottom)].any())

    def take(self, left: float, top: float, right: float, bottom: float) -> None:
        self.taken[self._area(left, top, right, bottom)] = True

    @staticmethod
    def _area(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        return (
            slice(max(0, int(top / CELL)), int(bottom / CELL) + 1),
            slice(max(0, int(left / CELL)), int(right / CELL) + 1),
        )

    def is_taken(self, x: float, y: float) -> bool:
        return bool(self.taken[min(int(y / CELL), self.terrain.rows - 1), min(int(x / CELL), self.terrain.columns - 1)])

    def may_draw(self, x: Field, y: Field) -> NDArray[np.bool_]:
        """Inside the frame, and not on a name or another thing that must stay clear."""
        column, row = self.cells(x, y)
        return np.asarray(~self.taken[row, column])

    def random_place(self) -> Point:
        x, y = self.random.random(2)
        return float(x) * self.width, float(y) * self.height
