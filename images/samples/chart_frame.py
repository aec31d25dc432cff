"""The frame of the chart with its degrees, and the cartouche with title and scale."""

import math

from images.samples.chart_board import Board
from images.samples.engraving import Point

TITLE = ("TABVLA NOVA", "INSVLARVM BEATARVM", "CVM LITORIBVS FLVMINIBVS & MONTIBVS", "DILIGENTISSIME DELINEATA")


def frame(board: Board) -> None:
    u, width, height = board.unit, board.width, board.height
    for inset, line in ((150, 12), (180, 3), (330, 3), (345, 3), (395, 3), (410, 8)):
        i = inset * u
        board.land.line([(i, i), (width - i, i), (width - i, height - i), (i, height - i)], line * u, closed=True)
    _scale(board, 410 * u, 345 * u)
    _braid(board, 255 * u, 58 * u)


def _scale(board: Board, inner: float, outer: float) -> None:
    """Degrees: black and white fields of ten minutes, ticks of one, figures each degree."""
    u = board.unit
    for length, is_top in ((board.width, True), (board.height, False)):
        degree = 720 * u
        count = int((length - 2 * inner) / degree * 60)
        for minute in range(count + 1):
            along = inner + minute * degree / 60
            tall = 1.0 if minute % 10 == 0 else 0.5
            for far in (False, True):
                ends = _across(board, is_top, far, along, inner, inner + (outer - inner) * 0.23)
                board.land.line(ends, (2.4 if tall == 1.0 else 1.5) * u)
                if minute % 20 == 0 and minute + 10 <= count:
                    a = _across(board, is_top, far, along, outer + 2 * u, inner - 17 * u)
                    b = _across(board, is_top, far, along + degree / 6, outer + 2 * u, inner - 17 * u)
                    board.land.line([a[0], b[0], b[1], a[1]], 1, fill=True)
                if minute % 60 == 0:
                    (x, y), _ = _across(board, is_top, far, along + 34 * u, 450 * u, 0)
                    text = f"{(minute // 60 + (12 if is_top else 31))}°"
                    board.land.text(text, x, y, 34 * u, weight=0.12)


def _across(board: Board, is_top: bool, far: bool, along: float, start: float, end: float) -> list[Point]:  # noqa: FBT001
    if is_top:
        return [(along, board.height - inset if far else inset) for inset in (start, end)]
    return [(board.width - inset if far else inset, along) for inset in (start, end)]


def _braid(board: Board, middle: float, amplitude: float) -> None:
    """Guilloche: waves of shifted phase, woven all around."""
    u = board.unit
    for is_top, length in ((True, board.width), (False, board.height)):
        waves = round((length - 2 * middle) / (430 * u))
        for far in (False, True):
            for strand in range(14):
                phase = 2 * math.pi * strand / 14
                step = 15 * u
                points: list[Point] = []
                for number in range(int((length - 2 * middle) / step) + 1):
                    along = middle + number * step
                    turn = 2 * math.pi * waves * (along - middle) / (length - 2 * middle)
                    aside = middle + amplitude * math.sin(turn + phase) * (0.62 + 0.38 * math.cos(2 * turn + phase / 2))
                    points.append(_across(board, is_top, far, along, aside, aside)[0])
                    if len(points) == 60:
                        board.land.line(points, 1.7 * u)
                        points = points[-1:]
                if len(points) > 1:
                    board.land.line(points, 1.7 * u)


def cartouche(board: Board) -> None:
    u = board.unit
    left, top, right, bottom = board.cartouche_bounds()
    middle = (left + right) / 2
    for inset, width in ((0, 9), (18, 2.5), (60, 2.5), (74, 5)):
        i = inset * u
        box = [(left + i, top + i), (right - i, top + i), (right - i, bottom - i), (left + i, bottom - i)]
        board.land.line(box, width * u, closed=True)
    for number in range(int((right - left) / (17 * u)) - 3):
        x = left + 20 * u + number * 17 * u
        for y in (top + 39 * u, bottom - 39 * u):
            board.land.path(
                f"M{x:.1f} {y:.1f}q{6 * u:.2f} {-26 * u:.2f} {17 * u:.2f} 0t{17 * u:.2f} 0",
                1.6 * u,
                (x, y - 30 * u, x + 40 * u, y + 30 * u),
            )
    y = top + 290 * u
    for text, size, spacing in zip(TITLE, (185, 145, 52, 52), (0.35, 0.22, 0.35, 0.45), strict=True):
        height = size * u
        board.land.text(text, middle, y, height, spacing=height * spacing, weight=0.15)
        y += (size * 0.75 + 150) * u
    _scale_bar(board, middle, bottom - 260 * u)


def _scale_bar(board: Board, x: float, y: float) -> None:
    u = board.unit
    start, field = x - 900 * u, 180 * u
    for number in range(10):
        left = start + number * field
        box = [(left, y), (left + field, y), (left + field, y + 26 * u), (left, y + 26 * u)]
        board.land.line(box, 2.5 * u, closed=True)
        half = y + (13 * u if number % 2 else 0)
        board.land.line(
            [(left, half), (left + field, half), (left + field, half + 13 * u), (left, half + 13 * u)], 1, fill=True
        )
        board.land.text(str(number * 10), left, y - 36 * u, 34 * u)
    board.land.text("100", start + 10 * field, y - 36 * u, 34 * u)
    board.land.text("MILLIARIA COMMVNIA", x, y + 88 * u, 46 * u, spacing=24 * u)
