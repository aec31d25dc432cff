"""An archipelago that never was: coasts, heights, rivers and provinces on a coarse grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from images.samples.noise import Field, distance_to, fractal_noise, gradient, smoothed

CELL = 8
"""Pixels of the finished chart by cell of the grid."""


@dataclass(frozen=True, slots=True)
class Terrain:
    """Fields of one value a cell; `shore` is the distance to the coast in cells, negative at sea."""

    shore: Field
    height: Field
    across: Field
    down: Field
    province: NDArray[np.int32]
    border: Field
    seats: NDArray[np.float32]

    @property
    def columns(self) -> int:
        return int(self.shore.shape[1])

    @property
    def rows(self) -> int:
        return int(self.shore.shape[0])


def make_terrain(columns: int, rows: int, *, seed: int) -> Terrain:
    """All fields of the chart; the same for the same arguments."""
    land = _land(columns, rows, seed)
    shore = smoothed(distance_to(~land) - distance_to(land), columns / 1100)
    height = _height(shore, columns, rows, seed)
    across, down = gradient(height)
    province, border, seats = _provinces(shore, seed)
    return Terrain(shore, height, across, down, province, border, seats)


def _land(columns: int, rows: int, seed: int) -> NDArray[np.bool_]:
    shape = fractal_noise(columns, rows, columns / 3.4, 9, seed=seed, persistence=0.56)
    y, x = np.mgrid[0:1:rows*1j, 0:1:columns*1j].astype(np.float32)  # fmt: skip
    # Seas along the frame and a wide one in the west: room for the cartouche, the roses and the ships.
    margin = np.minimum(np.minimum(x, 1 - x) * columns / rows, np.minimum(y, 1 - y))
    shape += (
        0.22
        - 1.7 * np.exp(-((margin / 0.09) ** 2))
        - 1.5 * np.exp(-(((x - 0.16) / 0.17) ** 2 + ((y - 0.8) / 0.3) ** 2))
    )
    shape -= 3 * ((x < 0.36) & (y > 0.7))
    shape -= 1.3 * np.exp(-(((x - 0.74) / 0.1) ** 2 + ((y - 0.2) / 0.16) ** 2))
    return np.asarray(shape > 0)


def _height(shore: Field, columns: int, rows: int, seed: int) -> Field:
    ridges = fractal_noise(columns, rows, columns / 10, 5, seed=seed + 1, persistence=0.42, ridged=True)
    uplands = fractal_noise(columns, rows, columns / 5, 3, seed=seed + 2)
    inland = 1 - np.exp(-np.maximum(shore, 0) / (columns / 45))
    mountains = np.clip(ridges * 0.5 + 0.35, 0, None) * np.clip(uplands * 0.8 + 0.55, 0, 1.4)
    return smoothed((inland * (0.12 + mountains)).astype(np.float32), columns / 700)


def _provinces(shore: Field, seed: int) -> tuple[NDArray[np.int32], Field, NDArray[np.float32]]:
    """Which province a cell is in, its distance to the border in cells, and where each has its middle."""
    rows, columns = shore.shape
    random = np.random.default_rng(seed + 3)
    seats = random.random((46, 2), dtype=np.float32) * np.array([columns, rows], np.float32)
    bend = columns / 40
    warp_x = fractal_noise(columns, rows, columns / 12, 5, seed=seed + 4) * bend
    warp_y = fractal_noise(columns, rows, columns / 12, 5, seed=seed + 5) * bend
    y, x = np.indices((rows, columns), dtype=np.float32)
    x += warp_x
    y += warp_y
    nearest = np.full((rows, columns), np.inf, np.float32)
    second = nearest.copy()
    owner = np.zeros((rows, columns), np.int32)
    for number, (seat_x, seat_y) in enumerate(seats):
        distance = (x - seat_x) ** 2 + (y - seat_y) ** 2
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        nearest = np.where(closer, distance, nearest)
        owner[closer] = number
    border = ((np.sqrt(second) - np.sqrt(nearest)) / 2).astype(np.float32)
    # The bent grid has made it steeper here and flatter there.
    steepness = smoothed(np.hypot(*gradient(border)).astype(np.float32), 1.5)
    return owner, np.asarray(border / np.maximum(steepness, 0.25), dtype=np.float32), seats


def trace_rivers(terrain: Terrain, count: int, *, seed: int) -> list[NDArray[np.float32]]:
    """Courses from the hills to the sea, in cells: downhill, and towards the shore where it is flat."""
    random = np.random.default_rng(seed + 6)
    # Towards the sea, downhill, and around what a rolling field puts in the way: so they wind.
    bends = fractal_noise(terrain.columns, terrain.rows, terrain.columns / 30, 5, seed=seed + 7, persistence=0.6)
    slope_x, slope_y = gradient(smoothed(terrain.shore, 3) * 0.02 + smoothed(terrain.height, 2) * 0.8 + bends * 0.13)
    taken = np.zeros(terrain.shore.shape, bool)
    rivers: list[NDArray[np.float32]] = []
    candidates = np.argwhere((terrain.height > 0.3) & (terrain.shore > terrain.columns / 50))
    random.shuffle(candidates)
    sources: list[tuple[int, int]] = []
    for row, column in candidates[: count * 40]:
        if len(rivers) >= count:
            break
        if any(abs(row - r) + abs(column - c) < terrain.columns / 26 for r, c in sources):
            continue
        sources.append((row, column))
        course = _course(terrain, slope_x, slope_y, taken, float(column), float(row))
        if len(course) > 25:
            rivers.append(np.array(course, np.float32))
            for x, y in course:
                taken[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3] = True
    return rivers


def _course(
    terrain: Terrain, slope_x: Field, slope_y: Field, taken: NDArray[np.bool_], x: float, y: float
) -> list[tuple[float, float]]:
    course = [(x, y)]
    direction_x = direction_y = 0.0
    for _ in range(2500):
        column, row = int(x), int(y)
        if not (0 < column < terrain.columns - 1 and 0 < row < terrain.rows - 1):
            return []
        if terrain.shore[row, column] < -1 or (taken[row, column] and len(course) > 4):
            return course
        downhill_x, downhill_y = -float(slope_x[row, column]), -float(slope_y[row, column])
        length = (downhill_x**2 + downhill_y**2) ** 0.5 or 1.0
        direction_x = 0.78 * direction_x + 0.22 * downhill_x / length
        direction_y = 0.78 * direction_y + 0.22 * downhill_y / length
        length = (direction_x**2 + direction_y**2) ** 0.5 or 1.0
        x += direction_x / length
        y += direction_y / length
        course.append((x, y))
    return []
