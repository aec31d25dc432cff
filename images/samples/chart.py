"""An engraved and hand-coloured sea chart, about 107 megapixels at its full size."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pyvips

from images.samples.chart_board import Board
from images.samples.chart_marks import draw_marks
from images.samples.engraving import BLOCK, Ink
from images.samples.noise import Field, edge, enlarged_part, fractal_noise, repeating_noise, smoothed
from images.samples.terrain import CELL, Terrain, make_terrain

WIDTH, HEIGHT = 12288, 8704
SEED = 10

PAPER = (236, 222, 190)
INK = (58, 40, 26)
WASHES = ((222, 160, 140), (200, 205, 140), (232, 200, 120), (178, 196, 178), (226, 178, 110), (208, 176, 186))
SEA_WASH = (172, 196, 190)

Report = Callable[[float], None]


def make_chart(width: int = WIDTH, height: int = HEIGHT, *, report: Report = lambda _: None) -> pyvips.Image:
    """The chart as a picture that is put together while it is read.

    Args:
        width, height: multiples of 64 pixels.
        report: is told the finished part, 0 to 1, of what is done before the picture can be read.
    """
    terrain = make_terrain(width // CELL, height // CELL, seed=SEED)
    report(0.2)
    board = draw_marks(terrain, width, height, seed=SEED)
    report(0.35)
    ink = _engrave(terrain, board, lambda part: report(0.35 + 0.65 * part))
    return _colour(terrain, ink)


def _engrave(terrain: Terrain, board: Board, report: Report) -> Ink:
    """All the ink: block by block, two at a time."""
    width, height, unit = board.width, board.height, board.unit
    sheet = np.empty((height, width), np.uint8)
    fine = repeating_noise(BLOCK, 2.0, shortest=14 * unit, seed=SEED + 20)
    fields = {
        "shore": pyvips.Image.new_from_array(terrain.shore * CELL),
        "border": pyvips.Image.new_from_array(terrain.border * CELL),
    }

    def engrave(place: tuple[int, int]) -> None:
        row, column = place
        left, top = column * BLOCK, row * BLOCK
        drawn = board.land.render(column, row)
        rhumbs = board.sea.render(column, row)
        rows, columns = drawn.shape
        local = {name: enlarged_part(field, CELL, left, top, columns, rows) for name, field in fields.items()}
        shore = local["shore"] + fine[:rows, :columns] * (9 * unit)
        lines = _coast_lines(shore, unit)
        lines = np.maximum(lines, _border_lines(local["border"], shore, left, top, unit))
        inside = _within_frame(left, top, columns, rows, board)
        lines *= inside
        at_sea = edge(-shore - 70 * unit, 8) * inside
        ink = np.maximum(drawn, (rhumbs * (at_sea * 0.75)).astype(np.uint8))
        sheet[top : top + rows, left : left + columns] = np.maximum(ink, (lines * 235).astype(np.uint8))

    places = list(product(range(-(-height // BLOCK)), range(-(-width // BLOCK))))
    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(pool.map(engrave, places), 1):
            report(done / len(places))
    return sheet


def _coast_lines(shore: Field, unit: float) -> Field:
    """The coast, and around it the water lines: looked up in a table by the distance to the coast."""
    nearest, furthest, steps = 16.0, -1100.0 * unit, 8
    distance = np.linspace(furthest, nearest, int((nearest - furthest) * steps) + 1, dtype=np.float32)
    lines = edge(3.6 * unit - np.abs(distance), 1.2)
    place, gap, width = 0.0, 13.0, 3.0
    for _ in range(17):
        place += gap
        gap *= 1.13
        width = max(width * 0.94, 1.4)
        near = np.abs(distance + place * unit)
        lines = np.maximum(lines, edge(width * unit / 2 - near, 1.2))
    index = np.clip((shore - furthest) * steps, 0, len(distance) - 1)
    return np.asarray(lines[index.astype(np.int32)])


def _border_lines(border: Field, shore: Field, left: int, top: int, unit: float) -> Field:
    """Borders of provinces: rows of dots."""
    rows, columns = border.shape
    pitch = 13 * unit
    along = np.sin((np.arange(columns, dtype=np.float32) + left) * (2 * np.pi / pitch))
    down = np.sin((np.arange(rows, dtype=np.float32) + top) * (2 * np.pi / pitch))
    dots = edge(along[None, :] * down[:, None] - 0.1, 0.6)
    return edge(3.2 * unit - np.abs(border), 1.5) * dots * edge(shore - 8 * unit, 2)


def _within_frame(left: int, top: int, columns: int, rows: int, board: Board) -> Field:
    """1 inside the frame and outside the cartouche, else 0."""
    inset = 414 * board.unit
    x = np.arange(left, left + columns, dtype=np.float32)
    y = np.arange(top, top + rows, dtype=np.float32)[:, None]
    inside = (x > inset) & (x < board.width - inset) & (y > inset) & (y < board.height - inset)
    box_left, box_top, box_right, box_bottom = board.cartouche_bounds()
    covered = (x > box_left) & (x < box_right) & (y > box_top) & (y < box_bottom)
    return (inside & ~covered).astype(np.float32)


def _colour(terrain: Terrain, ink: Ink) -> pyvips.Image:
    """Paper, washes and ink together."""
    height, width = ink.shape
    ground = pyvips.Image.new_from_array(_ground(terrain)).cast("uchar").copy(interpretation="srgb")
    ground = ground.resize(CELL, kernel="cubic")
    grain = (repeating_noise(1024, 0.35, seed=SEED + 30) * 3.2).round().astype(np.int8)
    texture = pyvips.Image.new_from_array(grain).cast("char")
    texture = texture.replicate(-(-width // 1024), -(-height // 1024)).crop(0, 0, width, height)
    paper = (ground + texture).cast("uchar")
    lines = pyvips.Image.new_from_memory(ink.data, width, height, 1, "uchar")
    dark = (pyvips.Image.black(width, height, bands=3) + list(INK)).cast("uchar")
    return lines.ifthenelse(dark, paper, blend=True).copy(interpretation="srgb")


def _ground(terrain: Terrain) -> Field:
    """The coloured paper without its ink, three bands, one value a cell."""
    rows, columns = terrain.shore.shape
    blotches = fractal_noise(columns, rows, columns / 4, 7, seed=SEED + 40, persistence=0.6)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j].astype(np.float32)
    worn = np.minimum(np.minimum(x, 1 - x) * columns / rows, np.minimum(y, 1 - y))
    shade = 1 + 0.022 * blotches - 0.2 * np.exp(-worn / 0.02) - 0.06 * np.exp(-worn / 0.12)
    for fold in (0.25, 0.5, 0.75):
        shade -= 0.05 * np.exp(-np.abs(x - fold) * columns / 2.5) - 0.03 * np.exp(
            -np.abs(x - fold - 0.003) * columns / 3
        )
    shade -= 0.05 * np.exp(-np.abs(y - 0.5) * rows / 2.5)
    washes = np.array([WASHES[number % len(WASHES)] for number in range(len(terrain.seats))], np.float32)[
        terrain.province
    ]
    uneven = 1 + 0.25 * fractal_noise(columns, rows, columns / 14, 5, seed=SEED + 41)
    rim = np.minimum(terrain.border, np.abs(terrain.shore)) * 1.0
    strength = np.where(terrain.shore > 0, 0.3 + 0.62 * np.exp(-rim / 9), 0.0) * uneven
    wet = np.where(terrain.shore <= 0, 0.16 + 0.7 * np.exp(terrain.shore / 12), 0.0) * uneven
    frame = ((x * columns * CELL > 0) & (worn * rows * CELL > 414 * columns * CELL / 12288)).astype(np.float32)
    strength, wet = (smoothed(np.clip(layer, 0, 1).astype(np.float32), 0.8) * frame for layer in (strength, wet))
    colour = np.array(PAPER, np.float32) * shade[:, :, None]
    colour *= 1 - strength[:, :, None] * (1 - washes / 255) * 1.0
    colour *= 1 - wet[:, :, None] * (1 - np.array(SEA_WASH, np.float32) / 255)
    return np.asarray(np.clip(colour, 0, 255), dtype=np.float32)
