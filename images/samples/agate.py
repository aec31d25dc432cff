"""A polished slice of agate: bands within bands, down to the single pixel; about 25 megapixels at its full size."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyvips
from numpy.typing import NDArray

from images.samples.noise import Field, edge, enlarged_part, fractal_noise, repeating_noise, smoothed

WIDTH, HEIGHT = 6144, 4096
SEED = 7
CELL = 8
STRIP = 256
TABLE = 1 << 15

# From the rind inwards: rust and umber, honey, milk, smoke blue, ink, and the white of the core.
PALETTE = (
    (74, 38, 26),
    (134, 62, 30),
    (196, 104, 46),
    (226, 158, 84),
    (244, 214, 164),
    (238, 228, 208),
    (164, 176, 178),
    (84, 110, 126),
    (38, 56, 78),
    (92, 122, 142),
    (206, 216, 216),
    (250, 248, 240),
)

Report = Callable[[float], None]
Pixels = NDArray[np.uint8]


def make_agate(width: int = WIDTH, height: int = HEIGHT, *, report: Report = lambda _: None) -> Pixels:
    """Rows by columns by three bytes.

    Args:
        width, height: multiples of 8 pixels.
        report: is told the finished part, 0 to 1.
    """
    depth = _depth(width // CELL, height // CELL)
    image = pyvips.Image.new_from_array(depth)
    light = pyvips.Image.new_from_array(_light(depth))
    table = _bands()
    scale = width / WIDTH
    growth = repeating_noise(2048, 1.7, shortest=5, seed=SEED + 1) * 0.0042
    grain = repeating_noise(1024, 0.2, seed=SEED + 2) * 0.012
    pixels = np.empty((height, width, 3), np.uint8)
    report(0.3)

    def paint(top: int) -> None:
        rows = min(STRIP, height - top)
        place = (CELL, 0, top, width, rows)
        # Fields that repeat are laid side by side.
        ripple = _tiled(growth, top, rows, width)
        value = enlarged_part(image, *place) + ripple * (0.4 + 0.6 * scale)
        colour = table[(np.clip(value, 0, 1) * (TABLE - 1)).astype(np.int32)]
        shine = enlarged_part(light, *place) + _tiled(grain, top, rows, width)
        pixels[top : top + rows] = np.clip(colour * shine[:, :, None], 0, 255).astype(np.uint8)

    tops = range(0, height, STRIP)
    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(pool.map(paint, tops), 1):
            report(0.3 + 0.7 * done / len(tops))
    return pixels


def _tiled(field: Field, top: int, rows: int, width: int) -> Field:
    size = len(field)
    start = top % size
    return np.tile(field[start : start + rows], (1, -(-width // size)))[:, :width]


def _depth(columns: int, rows: int) -> Field:
    """From 0 at the rind to 1 at the core: rings around several kernels, folded by a slow flow."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / columns
    for cell, reach, seed in ((2.2, 0.075, 3), (5, 0.03, 5), (11, 0.012, 7)):
        x = x + fractal_noise(columns, rows, columns / cell, 3, seed=SEED + seed) * reach
        y = y + fractal_noise(columns, rows, columns / cell, 3, seed=SEED + seed + 20) * reach
    total = np.zeros((rows, columns), np.float32)
    for kernel_x, kernel_y, size in ((0.36, 0.3, 0.2), (0.67, 0.42, 0.17), (0.15, 0.56, 0.1), (0.88, 0.12, 0.09)):
        total += np.exp(-(((x - kernel_x) / size) ** 2 + ((y - kernel_y) / (size * 0.8)) ** 2))
    total += fractal_noise(columns, rows, columns / 4, 6, seed=SEED + 60, persistence=0.45) * 0.045
    span = float(total.max() - total.min())
    return smoothed(((total - total.min()) / span) ** 0.62 * 0.985, 1.2)


def _light(depth: Field) -> Field:
    """How bright: a slow sheen, cloudiness, and the relief that polishing leaves."""
    rows, columns = depth.shape
    cloud = fractal_noise(columns, rows, columns / 6, 7, seed=SEED + 80, persistence=0.6)
    down, across = np.gradient(smoothed(depth, 2))
    relief = np.clip((across + down) * 9, -0.12, 0.12)
    return (1.0 + 0.045 * cloud + relief).astype(np.float32)


def _bands() -> NDArray[np.float32]:
    """The colour of each depth: broad zones, bands of every width in them, and threads in these."""
    random = np.random.default_rng(SEED)
    depth = np.linspace(0, 1, TABLE, dtype=np.float32)
    palette = np.array(PALETTE, np.float32)
    zone = np.linspace(0, len(palette) - 1, TABLE)
    tone = np.zeros(TABLE, np.float32)
    for count, strength in ((26, 1.6), (90, 1.1), (300, 0.55), (1000, 0.3)):
        edges = np.sort(random.random(count, dtype=np.float32))
        values = random.normal(0, strength, count + 1).astype(np.float32)
        tone += values[np.searchsorted(edges, depth)]
    zone = np.clip(zone + tone * (1 - depth * 0.55), 0, len(palette) - 1.001)
    lower = zone.astype(np.int32)
    part = (zone - lower)[:, None].astype(np.float32)
    colour = palette[lower] * (1 - part) + palette[lower + 1] * part
    threads = 1 - 0.3 * edge(np.sin(depth * (2 * np.pi * 210)) - 0.9, 0.2)
    core = edge(depth - 0.9, 0.06)[:, None]
    colour = colour * threads[:, None] * (1 - core) + np.array([246, 244, 238], np.float32) * core
    kernel = np.ones(9, np.float32) / 9
    return np.stack([np.convolve(band, kernel, mode="same") for band in colour.T], axis=1).astype(np.float32)
