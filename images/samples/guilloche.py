"""Guilloche, as on a banknote: rosettes of interwoven lines in three inks, about 12.6 megapixels at its full size."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pyvips

from images.samples.engraving import BLOCK, Ink, Point, Sheet
from images.samples.noise import repeating_noise

WIDTH, HEIGHT = 4096, 3072
PAPER = (247, 241, 224)
INKS = ((196, 150, 96), (34, 92, 92), (120, 34, 48))

Report = Callable[[float], None]


def make_guilloche(width: int = WIDTH, height: int = HEIGHT, *, report: Report = lambda _: None) -> pyvips.Image:
    """The finished picture.

    Args:
        report: is told the finished part, 0 to 1.
    """
    sheets = [Sheet(width, height) for _ in INKS]
    _ground(sheets[0])
    _rosettes(sheets[1], sheets[2])
    _border(sheets[1], sheets[2])
    _lettering(sheets[2])
    paper = _paper(width, height)
    for number, (sheet, ink) in enumerate(zip(sheets, INKS, strict=True), 1):
        lines = _render(sheet)
        report(number / len(INKS))
        mask = pyvips.Image.new_from_memory(lines.data, width, height, 1, "uchar")
        colour = (pyvips.Image.black(width, height, bands=3) + list(ink)).cast("uchar")
        paper = mask.ifthenelse(colour, paper, blend=True)
    return paper.copy(interpretation="srgb")


def _render(sheet: Sheet) -> Ink:
    lines = np.empty((sheet.height, sheet.width), np.uint8)

    def render(place: tuple[int, int]) -> None:
        row, column = place
        block = sheet.render(column, row)
        top, left = row * BLOCK, column * BLOCK
        lines[top : top + block.shape[0], left : left + block.shape[1]] = block

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(render, product(range(-(-sheet.height // BLOCK)), range(-(-sheet.width // BLOCK)))))
    return lines


def _paper(width: int, height: int) -> pyvips.Image:
    grain = (repeating_noise(512, 0.5, seed=3) * 2.0).round().astype(np.int8)
    texture = pyvips.Image.new_from_array(grain).cast("char")
    texture = texture.replicate(-(-width // 512), -(-height // 512)).crop(0, 0, width, height)
    return (pyvips.Image.black(width, height, bands=3) + list(PAPER) + texture).cast("uchar")


def _curve(sheet: Sheet, points: list[Point], width: float) -> None:
    """A long line in pieces, so that each is drawn only in the blocks that it touches."""
    for start in range(0, len(points) - 1, 48):
        sheet.line(points[start : start + 49], width)


def _ground(sheet: Sheet) -> None:
    """Waves from edge to edge, bent around the middle as by a lens."""
    unit = sheet.width / WIDTH
    middle_x, middle_y = sheet.width / 2, sheet.height / 2
    for number in range(230):
        level = number * sheet.height / 229
        points = []
        for step in range(257):
            x = sheet.width * step / 256
            away = math.hypot((x - middle_x) / (1500 * unit), (level - middle_y) / (1100 * unit))
            swell = math.exp(-(away**2)) * 190 * unit * math.sin((level - middle_y) / (340 * unit))
            wave = 26 * unit * math.sin(x / (120 * unit) + number * 0.11) * math.cos(x / (530 * unit) - number * 0.04)
            points.append((x, level + swell + wave))
        _curve(sheet, points, 1.5 * unit)


def _rosettes(first: Sheet, second: Sheet) -> None:
    unit = first.width / WIDTH
    x, y = first.width / 2, first.height / 2 - 60 * unit
    _rosette(first, x, y, 1030 * unit, petals=12, strands=56, depth=0.42, inner=0.62)
    _rosette(second, x, y, 800 * unit, petals=18, strands=44, depth=0.36, inner=0.6)
    _rosette(first, x, y, 560 * unit, petals=9, strands=48, depth=0.6, inner=0.42)
    _rosette(second, x, y, 330 * unit, petals=14, strands=30, depth=0.62, inner=0.36)
    _rosette(first, x, y, 130 * unit, petals=7, strands=22, depth=0.7, inner=0.3)
    for across, down in product((0.13, 0.87), (0.19, 0.81)):
        x, y = first.width * across, first.height * down
        _rosette(second, x, y, 310 * unit, petals=10, strands=34, depth=0.45, inner=0.55)
        _rosette(first, x, y, 200 * unit, petals=6, strands=28, depth=0.62, inner=0.4)
    for across, down in product((150 * unit, first.width - 150 * unit), (150 * unit, first.height - 150 * unit)):
        _rosette(second, across, down, 96 * unit, petals=8, strands=20, depth=0.6, inner=0.4)


def _rosette(
    sheet: Sheet, x: float, y: float, radius: float, *, petals: int, strands: int, depth: float, inner: float
) -> None:
    """Strands of the same closed wave, each a little turned: they weave petals between two circles."""
    unit = sheet.width / WIDTH
    steps = max(240, int(radius * 2.2 / unit))
    for strand in range(strands):
        phase = 2 * math.pi * strand / strands
        points = []
        for step in range(steps + 1):
            turn = 2 * math.pi * step / steps
            sway = math.sin(petals * turn + phase) * (0.7 + 0.3 * math.cos(2 * petals * turn - phase))
            far = radius * (inner + (1 - inner) * 0.5 + depth * 0.5 * sway + 0.05 * math.cos(petals * turn / 2) ** 2)
            points.append((x + far * math.cos(turn), y + far * math.sin(turn)))
        _curve(sheet, points, 1.6 * unit)


def _border(first: Sheet, second: Sheet) -> None:
    unit = first.width / WIDTH
    for sheet, inset, amplitude, waves, strands in ((first, 150, 52, 22, 12), (second, 150, 30, 44, 8)):
        for is_across, far, strand in product((True, False), (False, True), range(strands)):
            length = sheet.width if is_across else sheet.height
            breadth = sheet.height if is_across else sheet.width
            count = round(waves * length / sheet.width)
            points = []
            for step in range(count * 24 + 1):
                along = (inset + 70) * unit + (length - 2 * (inset + 70) * unit) * step / (count * 24)
                aside = inset * unit + amplitude * unit * math.sin(2 * math.pi * (step / 24 + strand / strands))
                aside = breadth - aside if far else aside
                points.append((along, aside) if is_across else (aside, along))
            _curve(sheet, points, 1.5 * unit)
    for inset, width in ((70, 6), (84, 2), (216, 2), (230, 6)):
        i = inset * unit
        corners = [(i, i), (first.width - i, i), (first.width - i, first.height - i), (i, first.height - i)]
        second.line(corners, width * unit, closed=True)


def _lettering(sheet: Sheet) -> None:
    unit = sheet.width / WIDTH
    middle = sheet.width / 2
    sheet.text("SPECIMEN", middle, sheet.height - 365 * unit, 150 * unit, spacing=64 * unit, weight=0.16)
    for line in range(3):
        # So small that only the deepest zoom shows it.
        sheet.text(
            "ARS LINEARVM SVBTILISSIMA " * 7, middle, sheet.height - (262 - line * 10) * unit, 5.2 * unit, weight=0.14
        )
