"""The names on the chart, and its towns."""

import numpy as np

from images.samples.chart_board import Board
from images.samples.engraving import Point
from images.samples.lettering import text_width
from images.samples.terrain import CELL

SYLLABLES = [
    "AL",
    "BRA",
    "CAR",
    "DOR",
    "EL",
    "FA",
    "GAL",
    "HES",
    "IS",
    "LO",
    "MAR",
    "NAR",
    "OS",
    "PEL",
    "QUI",
    "RO",
    "SEN",
    "TAR",
    "UL",
    "VEN",
]
ENDINGS = ["ANIA", "ONIA", "IS", "UM", "A", "ORA", "ENTIA", "ESIS", "ARA", "ONE"]
TOWN_ENDINGS = ["AX", "ONA", "ETTO", "ILLE", "OR", "URG", "ENZA", "IUM", "AMO", "ERA"]


def provinces(board: Board) -> None:
    u, terrain = board.unit, board.terrain
    for number in range(len(terrain.seats)):
        inside = (terrain.province == number) & (terrain.shore > 6)
        area = int(inside.sum()) * CELL * CELL / u / u
        if area < 350_000:
            continue
        depth = np.where(inside, np.minimum(terrain.border, terrain.shore), -1)
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        x, y = float(column) * CELL, float(row) * CELL
        text = _name(board, ENDINGS)
        height = min(96.0, 34 + area / 60_000) * u
        spacing = height * 0.7
        while text_width(text, height, spacing) > float(depth.max()) * CELL * 2.6 and height > 30 * u:
            height *= 0.92
            spacing = height * 0.7
        _write(board, text, x, y, height, spacing=spacing, weight=0.13)


def seas(board: Board) -> None:
    u = board.unit
    names = [("MARE OCCIDENTALE", 190), ("MARE INTERNVM", 120), ("OCEANVS AVSTRALIS", 130), ("SINVS MAGNVS", 84)]
    names += [("FRETVM BOREALE", 80), ("SINVS ARGENTEVS", 64), ("MARE TRANQVILLVM", 90), ("SINVS VENTORVM", 60)]
    written: list[Point] = []
    for text, size in names:
        height = size * u
        spacing = height * 0.9
        half = text_width(text, height, spacing) / 2
        best, place = 0.0, None
        for _ in range(900):
            x, y = board.random_place()
            room = min(-board.shore_at(x + half * at, y) for at in (-1, -0.5, 0, 0.5, 1))
            free = board.is_free(x - half, y - height, x + half, y + height)
            apart = all(abs(x - a) > 1800 * u or abs(y - b) > 700 * u for a, b in written)
            if room > best and free and apart:
                best, place = room, (x, y)
        if place and best > height * 0.8:
            written.append(place)
            _write(board, text, *place, height, spacing=spacing, slant=14, weight=0.12)


def towns(board: Board, count: int) -> None:
    u = board.unit
    for _ in range(count * 14):
        if count == 0:
            return
        x, y = board.random_place()
        if board.shore_at(x, y) < 26 * u or board.slope_at(x, y) > 0.035:
            continue
        rank = int(board.random.integers(0, 10)) // 4
        height = (22, 27, 36)[rank] * u
        text = _name(board, TOWN_ENDINGS)
        half = text_width(text, height, height * 0.12) / 2
        side = half + height * 1.3
        if board.shore_at(x + side * 2, y) < 10 * u or board.is_taken(x, y):
            continue
        if _write(board, text, x + side, y, height, spacing=height * 0.12, weight=0.12, slant=8):
            _town(board, x, y, rank)
            board.take(x - 24 * u, y - 44 * u, x + 24 * u, y + 24 * u)
            count -= 1


def _town(board: Board, x: float, y: float, rank: int) -> None:
    u = board.unit
    board.land.circle(x, y, (7 + 2 * rank) * u, 2.6 * u)
    board.land.circle(x, y, 2 * u, 1, fill=True)
    for tower in range(rank * 2):
        left = x + (tower - rank + 0.5) * 13 * u
        top = y - (16 + 16 * (1 - abs(tower - rank + 0.5) / 3)) * u
        base = y - 10 * u
        outline = [(left - 5 * u, base), (left - 5 * u, top), (left, top - 9 * u), (left + 5 * u, top)]
        board.land.line([*outline, (left + 5 * u, base)], 2 * u, closed=True)
        board.land.line([(left + 2.5 * u, base), (left + 2.5 * u, top)], 2.6 * u)


def _write(board: Board, text: str, x: float, y: float, height: float, **how: float) -> bool:
    half = text_width(text, height, how.get("spacing", 0.0)) / 2
    bounds = (x - half - height * 0.5, y - height * 0.9, x + half + height * 0.5, y + height * 0.9)
    if not board.is_free(*bounds):
        return False
    board.take(*bounds)
    board.land.text(text, x, y, height, **how)
    return True


def _name(board: Board, endings: list[str]) -> str:
    count = 1 + int(board.random.random() < 0.6)
    parts = [SYLLABLES[int(board.random.integers(len(SYLLABLES)))] for _ in range(count)]
    return "".join(parts) + endings[int(board.random.integers(len(endings)))]
