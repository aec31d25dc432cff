"""The relief of the chart, its rivers and woods."""

import numpy as np

from images.samples.chart_board import Board
from images.samples.terrain import CELL, trace_rivers


def hachures(board: Board) -> None:
    """Strokes down the slopes, thicker in the shade: the light comes from the north-west."""
    u, terrain = board.unit, board.terrain
    pitch = 8.5 * u
    columns, rows = int(board.width / pitch), int(board.height / pitch)
    y, x = np.mgrid[0:rows, 0:columns].reshape(2, -1).astype(np.float32)
    x = (x + board.random.random(x.size, dtype=np.float32)) * pitch
    y = (y + board.random.random(y.size, dtype=np.float32)) * pitch
    slope = board.slope(x, y)
    shore = terrain.shore[board.cells(x, y)[1], board.cells(x, y)[0]]
    chance = np.clip((slope - 0.014) * 14, 0, 0.5)
    chosen = (board.random.random(x.size, dtype=np.float32) < chance) & (shore > 1.5) & board.may_draw(x, y)
    x, y, slope = x[chosen], y[chosen], slope[chosen]
    points = [np.stack([x, y])]
    length = np.clip(slope * 1000, 16, 54) * u / 2
    for _ in range(2):
        column, row = board.cells(points[-1][0], points[-1][1])
        gx, gy = terrain.across[row, column], terrain.down[row, column]
        size = np.hypot(gx, gy) + np.float32(1e-9)
        points.append(points[-1] - np.stack([gx / size, gy / size]) * length)
    column, row = board.cells(x, y)
    light = (terrain.across[row, column] + terrain.down[row, column]) / (slope * 1.42 + np.float32(1e-9))
    width = np.clip(1.6 - 1.3 * light + slope * 6, 0.8, 4.2) * u
    curves = np.stack(points)
    board.land.strokes(curves, width * 0.55)
    # Thicker over the first half: strokes taper downhill.
    half = np.stack([curves[0], (curves[0] + curves[1]) / 2, (curves[0] + 2 * curves[1] + curves[2]) / 4])
    board.land.strokes(half, width)


def rivers(board: Board, count: int) -> None:
    u = board.unit
    for course in trace_rivers(board.terrain, count, seed=board.seed):
        points = course[::2] * CELL + CELL / 2
        points += np.sin(np.arange(len(points))[:, None] * np.array([0.9, 1.3]) + board.random.random() * 6) * 6 * u
        points = points[board.may_draw(points[:, 0], points[:, 1])]
        for part in range(4):
            piece = points[len(points) * part // 4 : len(points) * (part + 1) // 4 + 1]
            if len(piece) > 1:
                board.land.line([(float(x), float(y)) for x, y in piece], (2.4 + 1.5 * part) * u)


def woods(board: Board, count: int) -> None:
    """Small trees, in groves, on low ground."""
    u = board.unit
    planted = 0
    while planted < count:
        grove_x, grove_y = board.random_place()
        if board.shore_at(grove_x, grove_y) < 60 * u or float(board.slope_at(grove_x, grove_y)) > 0.03:
            planted += 2
            continue
        for _ in range(int(board.random.integers(8, 40))):
            dx, dy = board.random.normal(0, 70 * u, 2)
            x, y = grove_x + float(dx) * 1.6, grove_y + float(dy)
            planted += 1
            if board.shore_at(x, y) > 30 * u and not board.is_taken(x, y):
                _tree(board, x, y, (13 + 7 * float(board.random.random())) * u)


def _tree(board: Board, x: float, y: float, size: float) -> None:
    crown = (
        f"M{x - size:.1f} {y:.1f}c{-size * 0.3:.1f} {-size:.1f} {size * 0.5:.1f} {-size * 1.5:.1f} "
        f"{size:.1f} {-size * 1.4:.1f}"
        f"c{size * 0.9:.1f} 0 {size * 1.3:.1f} {size * 0.7:.1f} {size:.1f} {size * 1.4:.1f}"
        f"M{x:.1f} {y - size * 0.2:.1f}v{size * 0.9:.1f}m{-size * 0.4:.1f} 0h{size * 1.4:.1f}"
        f"M{x + size * 0.3:.1f} {y - size * 1.1:.1f}v{size:.1f}m{size * 0.3:.1f} {-size * 0.7:.1f}v{size * 0.6:.1f}"
    )
    board.land.path(crown, max(1.6 * board.unit, size * 0.11), (x - size * 1.5, y - size * 2, x + size * 1.6, y + size))
