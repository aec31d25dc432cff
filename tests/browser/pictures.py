"""Sources with detail at every scale, and what each zoom level of them must look like."""

import io
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import Jpeg2KImagePlugin

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 2503, 1775
"""Neither is a multiple of a tile or of two: every level has edge tiles and rounded sizes.

Halved again and again, they are rounded up as well as to the nearest: Pillow reads the levels of a JPEG 2000 only then.
"""


def make_picture(width: int = WIDTH, height: int = HEIGHT, *, seed: int = 7) -> Pixels:
    """Coloured clouds upon clouds: whichever tile moves by a pixel at whichever level, it shows."""
    random = np.random.default_rng(seed)

    def clouds(cell: int, bands: int) -> NDArray[np.float32]:
        """Values between -1 and 1 that change from one end to the other within about `cell` pixels."""
        shape = (height // cell + 4, width // cell + 4)
        layers = []
        for _ in range(bands):
            coarse = PillowImage.fromarray(random.random(shape, np.float32) * 2 - 1)
            box = (1, 1, 1 + width / cell, 1 + height / cell)
            layers.append(np.asarray(coarse.resize((width, height), PillowImage.Resampling.BICUBIC, box), np.float32))
        return np.dstack(layers)

    total = 127.5 + 60 * clouds(400, 3)
    for cell, weight in ((7, 26), (16, 30), (37, 34), (85, 38), (196, 42)):
        total += weight * clouds(cell, 1)
    return np.asarray(np.clip(total, 0, 255), np.uint8)


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


def read_level(path: Path, factor: int) -> Pixels:
    """The whole picture, `factor` times smaller and rounded up, by a decoder that does it in one piece."""
    if path.suffix == ".tif":
        page = factor.bit_length() - 1
        return _continued(np.asarray(pyvips.Image.new_from_file(str(path), page=page).numpy(), np.uint8), factor)
    with PillowImage.open(path) as image:
        if path.suffix == ".jp2":
            assert isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile)
            image.reduce = factor.bit_length() - 1
            return np.asarray(image.convert("RGB"), np.uint8)
        image.draft("RGB", (WIDTH // factor, HEIGHT // factor))
        return _continued(np.asarray(image.convert("RGB"), np.uint8), factor)


def _continued(level: Pixels, factor: int) -> Pixels:
    """A level that is rounded down, continued by its last lines: what libvips has of a JPEG or a TIFF pyramid."""
    level = level[: HEIGHT // factor, : WIDTH // factor]
    return np.pad(
        level,
        ((0, -(-HEIGHT // factor) - level.shape[0]), (0, -(-WIDTH // factor) - level.shape[1]), (0, 0)),
        mode="edge",
    )


def decoded(body: bytes) -> Pixels:
    with PillowImage.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)
