"""Smooth random fields: fractal noise as a sum of random lattices, each twice as fine and weaker than the last."""

from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

Field = NDArray[np.float32]


def enlarge(field: Field, width: int, height: int) -> Field:
    """The field at another size, smoothly interpolated; its corners stay where they are."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(field))
    across, down = width / image.width, height / image.height
    enlarged = image.resize(across, vscale=down, kernel="cubic")
    return np.asarray(enlarged.gravity("centre", width, height, extend="copy").numpy(), dtype=np.float32)


def enlarged_part(field: pyvips.Image, cell: int, left: int, top: int, width: int, height: int) -> Field:
    """A part of a field that has one value a cell, smoothly interpolated.

    Args:
        cell: Pixels by cell; left, top, width and height are in pixels, and multiples of it.
    """
    margin = 4
    columns, rows = width // cell + 2 * margin, height // cell + 2 * margin
    padded = field.embed(margin, margin, field.width + 2 * margin, field.height + 2 * margin, extend="copy")
    part = padded.crop(left // cell, top // cell, columns, rows).resize(cell, kernel="cubic")
    return np.asarray(part.crop(margin * cell, margin * cell, width, height).numpy(), dtype=np.float32)


def fractal_noise(
    width: int, height: int, cell: float, octaves: int, *, seed: int, persistence: float = 0.5, ridged: bool = False
) -> Field:
    """Noise of mean 0 and a deviation of about 1.

    Args:
        cell: The size of the largest features.
        persistence: The weight of each octave by that of the one before.
        ridged: Sharp crests, as mountains have them, instead of rolling hills.
    """
    random = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for _ in range(octaves):
        columns, rows = max(2, round(width / cell)) + 3, max(2, round(height / cell)) + 3
        lattice = random.random((rows, columns), dtype=np.float32) * 2 - 1
        layer = enlarge(lattice, round(columns * width / (columns - 3)), round(rows * height / (rows - 3)))
        top, left = (layer.shape[0] - height) // 2, (layer.shape[1] - width) // 2
        layer = layer[top : top + height, left : left + width]
        total += weight * ((0.5 - np.abs(layer)) * 2 if ridged else layer)
        weight *= persistence
        cell = max(cell / 2, 1.0)
    return np.asarray((total - total.mean()) / (total.std() + 1e-9), dtype=np.float32)


def repeating_noise(size: int, slope: float, *, shortest: float = 0.0, seed: int) -> Field:
    """A square field that continues at its opposite edges; mean 0, deviation 1.

    Args:
        slope: How fast its spectrum falls: 0 is grain, 2 is cloud.
        shortest: Waves shorter than this are left out.
    """
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.random((size, size), dtype=np.float32) - 0.5)
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1.0
    spectrum /= np.maximum(frequency, 12 / size) ** slope
    spectrum *= np.exp(-((frequency * shortest) ** 2))
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, (size, size)).astype(np.float32)
    return np.asarray(field / (field.std() + 1e-9), dtype=np.float32)


def gradient(field: Field) -> tuple[Field, Field]:
    """Its change by step across and down."""
    down, across = np.gradient(field)
    return np.asarray(across, dtype=np.float32), np.asarray(down, dtype=np.float32)


def smoothed(field: Field, radius: float) -> Field:
    """Blurred by a Gaussian of this deviation."""
    return np.asarray(
        pyvips.Image.new_from_array(np.ascontiguousarray(field)).gaussblur(radius, precision="float").numpy(),
        dtype=np.float32,
    )


def edge(values: NDArray[np.floating[Any]], softness: float) -> Field:
    """0 below, 1 above zero, with a soft step as wide as `softness`."""
    return np.asarray(np.clip(values / softness + 0.5, 0, 1), dtype=np.float32)


def distance_to(inside: NDArray[np.bool_]) -> Field:
    """Euclidean distance of every point to the nearest one that is set (jump flooding); large where none is."""
    height, width = inside.shape
    rows, columns = np.indices((height, width), dtype=np.int32)
    far = 4 * (width + height)
    nearest_row = np.where(inside, rows, far).astype(np.int32)
    nearest_column = np.where(inside, columns, far).astype(np.int32)
    best = (rows - nearest_row) ** 2 + (columns - nearest_column) ** 2
    step = 1 << (max(width, height) - 1).bit_length()
    while step:
        for down in (-step, 0, step):
            for across in (-step, 0, step):
                if not (down or across) or abs(down) >= height or abs(across) >= width:
                    continue
                to_rows, from_rows = _overlap(down, height)
                to_columns, from_columns = _overlap(across, width)
                target, origin = (to_rows, to_columns), (from_rows, from_columns)
                candidate_row, candidate_column = nearest_row[origin], nearest_column[origin]
                length = (rows[target] - candidate_row) ** 2 + (columns[target] - candidate_column) ** 2
                better = length < best[target]
                np.copyto(best[target], length, where=better)
                np.copyto(nearest_row[target], candidate_row, where=better)
                np.copyto(nearest_column[target], candidate_column, where=better)
        step //= 2
    return np.sqrt(best.astype(np.float32))


def _overlap(shift: int, length: int) -> tuple[slice, slice]:
    """Target and origin of a copy that moves everything by `shift`."""
    if shift >= 0:
        return slice(shift, length), slice(0, length - shift)
    return slice(0, length + shift), slice(-shift, length)
