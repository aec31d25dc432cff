"""Sources with detail at every scale, and what each zoom level of them must look like."""

import io
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image as PillowImage

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 2500, 1777
"""Neither is a multiple of a tile or of two: every level has edge tiles and rounded sizes."""


def make_picture(width: int = WIDTH, height: int = HEIGHT, *, seed: int = 7) -> Pixels:
    """Coloured clouds upon clouds: whichever tile moves by a pixel at whichever level, it shows."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cell in (5, 12, 28, 66, 150, 350):
        coarse = random.integers(0, 256, (height // cell + 3, width // cell + 3, 3), np.uint8)
        layer = PillowImage.fromarray(coarse).resize((width, height), PillowImage.Resampling.BICUBIC)
        total += np.asarray(layer, np.float32) - 127.5
    return np.clip(127.5 + total * 0.75, 0, 255).astype(np.uint8)


def write_jp2(pixels: Pixels, path: Path) -> None:
    """No tiles, precincts, one resolution after the other: as libraries and archives make their master files."""
    PillowImage.fromarray(pixels).save(
        path,
        "JPEG2000",
        progression="RPCL",
        num_resolutions=6,
        precinct_size=(256, 256),
        codeblock_size=(64, 64),
        irreversible=False,
    )


def write_tiff(pixels: Pixels, path: Path) -> None:
    """A pyramid of JPEG tiles; its levels are rounded down, where IIIF clients expect them rounded up."""
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
    image.tiffsave(
        str(path), tile=True, tile_width=256, tile_height=256, pyramid=True, compression="jpeg", Q=92, bigtiff=False
    )


def write_jpeg(pixels: Pixels, path: Path) -> None:
    PillowImage.fromarray(pixels).save(path, "JPEG", quality=92)


def read_whole(path: Path) -> Pixels:
    """All pixels, by a decoder that does it in one piece."""
    if path.suffix == ".tif":
        return np.asarray(pyvips.Image.new_from_file(str(path), page=0).numpy(), np.uint8)
    with PillowImage.open(path) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def reduced(pixels: Pixels, factor: int) -> Pixels:
    """Every `factor` × `factor` pixels as their mean; at the right and lower edge of those that are there."""
    return np.asarray(PillowImage.fromarray(pixels).reduce(factor), np.uint8)


def decoded(body: bytes) -> Pixels:
    with PillowImage.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)
