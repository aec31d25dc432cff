"""The picture that is measured with: an engraved chart with a polished agate on it, taken with a camera's noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from images.samples.agate import make_agate
from images.samples.chart import make_chart
from images.samples.noise import repeating_noise

RECIPE = "3"
"""Changes with the pixels, so that files of an older picture are made anew."""
CELL = 64
NOISE_TILE = 1024
NOISE_LEVELS = 1.4
"""Deviation of the sensor's noise, of 255: a good camera at a moderate exposure."""


def write_picture(path: Path, width: int, height: int) -> None:
    """Writes the picture of this size as a TIFF without compression, which every encoder reads."""
    image = _scene(width, height)
    noisy = (image + _noise(width, height)).cast("uchar").copy(interpretation="srgb")
    noisy.tiffsave(str(path), bigtiff=True)


def repeat_picture(source: Path, target: Path, width: int, height: int) -> None:
    """A larger picture of copies side by side, every second one mirrored so that the edges meet."""
    image = pyvips.Image.new_from_file(str(source), access="random")
    across = image.join(image.fliphor(), "horizontal")
    block = across.join(across.flipver(), "vertical")
    whole = block.replicate(-(-width // block.width), -(-height // block.height))
    whole.crop(0, 0, width, height).tiffsave(str(target), bigtiff=True)


def _scene(width: int, height: int) -> Any:
    chart = make_chart(-(-width // CELL) * CELL, -(-height // CELL) * CELL).crop(0, 0, width, height)
    plate = make_agate(width * 2 // 5 // 8 * 8, height * 2 // 5 // 8 * 8)
    rows, columns, _ = plate.shape
    agate = pyvips.Image.new_from_memory(plate.data, columns, rows, 3, "uchar").copy(interpretation="srgb")
    return chart.insert(agate, width - columns - width // 16, height - rows - height // 16)


def _noise(width: int, height: int) -> Any:
    """Of three independent bands that go on at their edges; a little soft, as a sensor's colour filter makes it."""
    bands = [repeating_noise(NOISE_TILE, 0.15, shortest=1.2, seed=seed) * NOISE_LEVELS for seed in (101, 102, 103)]
    field: NDArray[np.float32] = np.ascontiguousarray(np.stack(bands, axis=2), dtype=np.float32)
    noise = pyvips.Image.new_from_memory(field.data, NOISE_TILE, NOISE_TILE, 3, "float")
    return noise.replicate(-(-width // NOISE_TILE), -(-height // NOISE_TILE)).crop(0, 0, width, height)
