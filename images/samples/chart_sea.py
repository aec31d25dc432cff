"""What is on the sea: roses with their rhumb lines, soundings and ships."""

import math

from images.samples.chart_board import Board
from images.samples.engraving import Point


def roses(board: Board) -> None:
    u = board.unit
    best: list[tuple[float, float, float]] = []
    for _ in range(4000):
        x, y = board.random_place()
        if board.is_free(x - 420 * u, y - 420 * u, x + 420 * u, y + 420 * u):
            best.append((board.shore_at(x, y), x, y))
    best.sort()
    chosen: list[Point] = []
    for _, x, y in best:
        if all(math.hypot(x - a, y - b) > 4200 * u for a, b in chosen):
            chosen.append((x, y))
        if len(chosen) == 3:
            break
    for number, (x, y) in enumerate(chosen):
        radius = (380 if number == 0 else 250) * u
        _rose(board, x, y, radius)
        board.take(x - radius * 1.3, y - radius * 1.3, x + radius * 1.3, y + radius * 1.3)


def _rose(board: Board, x: float, y: float, radius: float) -> None:
    u = board.unit
    reach = math.hypot(board.width, board.height)
    for number in range(32):
        angle = math.pi * number / 16
        start, end = radius * 1.02, reach
        board.sea.line(_ray(board, x, y, angle, start, end), (2.2 if number % 8 == 0 else 1.4) * u)
    for ring, width in ((1.0, 4), (0.965, 1.5), (0.86, 1.5), (0.84, 3), (0.34, 2), (0.325, 1)):
        board.land.circle(x, y, radius * ring, width * u)
    for number in range(360):
        inner = 0.86 if number % 10 == 0 else 0.9 if number % 5 == 0 else 0.93
        board.land.line(_ray(board, x, y, math.radians(number), radius * inner, radius * 0.965), 1.5 * u)
    for rank, (count, length, waist) in enumerate(
        ((32, 0.62, 0.03), (16, 0.7, 0.07), (8, 0.76, 0.12), (4, 0.82, 0.15))
    ):
        for number in range(count):
            _needle(board, x, y, 2 * math.pi * number / count, radius * length, radius * waist, rank)
    for text, angle in (("N", -90), ("E", 0), ("S", 90), ("W", 180)):
        far = radius * 1.14
        board.land.text(
            text, x + far * math.cos(math.radians(angle)), y + far * math.sin(math.radians(angle)), radius * 0.15
        )


def _ray(board: Board, x: float, y: float, angle: float, start: float, end: float) -> list[Point]:
    cos, sin = math.cos(angle), math.sin(angle)
    # Kept within the sheet, so that its blocks are few.
    for limit, origin, direction in ((board.width, x, cos), (board.height, y, sin)):
        if direction > 1e-9:
            end = min(end, (limit - origin) / direction)
        elif direction < -1e-9:
            end = min(end, -origin / direction)
    return [(x + cos * start, y + sin * start), (x + cos * end, y + sin * end)]


def _needle(board: Board, x: float, y: float, angle: float, length: float, waist: float, rank: int) -> None:
    """A pointer with one half in shade: engraved in parallel lines."""
    cos, sin = math.cos(angle), math.sin(angle)

    def at(along: float, aside: float) -> Point:
        return x + cos * along - sin * aside, y + sin * along + cos * aside

    tip, left, right = at(length, 0), at(waist * 1.9, waist), at(waist * 1.9, -waist)
    board.land.line([(x, y), left, tip, right], 1.8 * board.unit, closed=True)
    board.land.line([(x, y), tip], 1.4 * board.unit)
    if rank:
        lines = int(length / (5 * board.unit))
        for number in range(1, lines):
            along = length * number / lines
            rise = along / (waist * 1.9)
            aside = waist * min(rise, (length - along) / (length - waist * 1.9))
            board.land.line([at(along, 0), at(along, aside)], 2.4 * board.unit)


def soundings(board: Board, count: int) -> None:
    u = board.unit
    for _ in range(count):
        x, y = board.random_place()
        depth = -board.shore_at(x, y)
        height = 20 * u
        if 90 * u < depth < 900 * u and board.is_free(x - height * 3, y - height * 2, x + height * 3, y + height * 2):
            board.land.text(str(int(depth / u / 14) + int(board.random.integers(0, 6))), x, y, height, slant=8)


def ships(board: Board) -> None:
    u = board.unit
    placed: list[Point] = []
    for _ in range(6000):
        if len(placed) == 5:
            return
        x, y = board.random_place()
        size = (200 + 90 * float(board.random.random())) * u
        bounds = (x - size, y - size * 1.1, x + size, y + size * 0.6)
        if board.shore_at(x, y) > -330 * u or not board.is_free(*bounds):
            continue
        if all(math.hypot(x - a, y - b) > 2000 * u for a, b in placed):
            placed.append((x, y))
            board.take(*bounds)
            _ship(board, x, y, size, -1 if len(placed) % 2 else 1)


def _ship(board: Board, x: float, y: float, size: float, heading: int) -> None:
    s = size / 100
    place = f"translate({x:.1f} {y:.1f}) scale({s * heading:.4f} {s:.4f})"
    bounds = (x - size, y - size * 1.1, x + size, y + size * 0.6)
    fine, bold = 0.9, 1.7
    hull = "M-70 14C-60 44 -30 48 10 46C42 46 60 40 72 4L58 12C30 22 -30 22 -50 12L-56 -8L-78 -10Z"
    board.land.path(hull, bold, bounds, place=place)
    planks = "".join(
        f"M{-66 + 3 * n} {18 + 4.5 * n}C-30 {26 + 4 * n} 30 {26 + 4 * n} {66 - 3 * n} {14 + 5 * n}" for n in range(6)
    )
    ports = "".join(f"M{-44 + 13 * n} 28h5v5h-5z" for n in range(8))
    masts = "M-38 12V-86M0 20V-104M36 14V-78M66 6L98 -18"
    board.land.path(planks + ports, fine, bounds, place=place)
    board.land.path(masts, bold, bounds, place=place)
    for mast, top, low, wide in ((-38, -72, -26, 20), (0, -90, -50, 22), (0, -46, -4, 28), (36, -66, -20, 20)):
        outline, shade = _sail(mast, top, low, wide)
        board.land.path(outline, 1.3, bounds, place=place)
        board.land.path(shade, 0.6, bounds, place=place)
    flags = "M-38 -86q10 -8 20 0t18 -2M0 -104q12 -9 24 0t20 -3M36 -78q9 -7 18 0t16 -2"
    waves = "".join(f"M{-92 + 9 * n} {52 + 3 * (n % 3)}q7 -6 14 0t14 0" for n in range(19))
    rigging = "M-38 -84L0 12M0 -100L-70 -8M0 -100L40 8M36 -76L98 -18M36 -76L64 4M-38 -84L-74 -10"
    board.land.path(flags + waves + rigging, 0.6, bounds, place=place)


def _sail(mast: float, top: float, low: float, wide: float) -> tuple[str, str]:
    """The outline of a sail full of wind, and the lines that shade its lee side."""
    left, right, middle = mast - wide, mast + wide, (top + low) / 2
    outline = (
        f"M{left} {top}H{right}C{right + 12} {middle} {right + 8} {low} {right} {low}"
        f"Q{mast} {low - 9} {left} {low}C{left + 9} {middle} {left + 6} {top + 6} {left} {top}"
    )
    lines = (right - 2.2 * number for number in range(7))
    shade = "".join(
        f"M{x - 2:.1f} {top + 3}C{x + 7:.1f} {middle} {x + 4:.1f} {low - 6} {x - 3:.1f} {low - 3}" for x in lines
    )
    return outline, shade
