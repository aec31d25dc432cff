"""Small sources in each way of storing pixels, and the two versions of one that no answer may mix."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from tests.images.indexes.jp2 import encoder
from tests.images.indexes.tiff.jpeg import jpeg_tiff

Pixels = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 640, 480
RED, BLUE = (200, 40, 40), (40, 60, 200)


def solid(colour: tuple[int, int, int], width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


def textured(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Squares of random colours: no two regions and no two seeds look alike."""
    cells = np.random.default_rng(seed).integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    return np.kron(cells, np.ones((16, 16, 1), np.uint8))[:height, :width].astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    out = BytesIO()
    Pillow.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def jpeg(pixels: Pixels) -> bytes:
    out = BytesIO()
    Pillow.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def tiff(pixels: Pixels) -> bytes:
    """A pyramid of JPEG tiles of 128 pixels."""
    return jpeg_tiff(pixels, 128, "420", levels=3)


def jp2(pixels: Pixels) -> bytes:
    """Progressive by resolution, with precincts and the lengths of packets."""
    coding = encoder.Coding(2, precincts=((128, 128), (64, 64)), rates=(20.0, 8.0), lists=("PLT", "TLM"))
    return encoder.encode(pixels, coding)


WAYS: dict[str, Callable[[Pixels], bytes]] = {"png": png, "jpg": jpeg, "tif": tiff, "jp2": jp2}

REQUESTS = (
    "full/max/0/default.png",
    "full/!200,200/0/default.jpg",
    "0,0,256,256/256,256/0/default.jpg",
    "256,128,256,256/128,128/0/default.png",
    "512,256,128,224/,100/90/gray.jpg",
)


def colours(body: bytes) -> set[str]:
    """Which of the two versions an answer shows: {"red"}, {"blue"}, both where it mixes them, "other" for the rest."""
    pixels = np.asarray(Pillow.open(BytesIO(body)).convert("RGB")).astype(int)
    is_red = np.abs(pixels - RED).max(axis=2) < 24
    is_blue = np.abs(pixels - BLUE).max(axis=2) < 24
    found = {name for name, mask in (("red", is_red), ("blue", is_blue)) if mask.any()}
    return found if (is_red | is_blue).all() else found | {"other"}
