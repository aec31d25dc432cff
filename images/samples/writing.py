"""Writing a sample in the form that its format is best served from. A file is there whole, or not at all."""

import ctypes.util
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pyvips
from numpy.typing import NDArray

from images.decoders.jp2_library import find_libraries

TILE = 256
TIFF_QUALITY = 88
JPEG_QUALITY = 90
LAYER_RATIOS = (160, 80, 40, 20, 10)
"""Quality layers of a JPEG 2000: each by how much smaller than the pixels the file is up to its end."""
RESOLUTIONS = 6
PRECINCT = 256

Report = Callable[[float], None]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, that becomes `path` when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_tiff(image: pyvips.Image, path: Path, report: Report) -> None:
    """A pyramid of tiles, compressed as JPEG."""
    image = image.copy()
    image.set_progress(True)
    image.signal_connect("eval", lambda _, progress: report(progress.percent / 100))
    with whole_file(path) as draft:
        image.tiffsave(
            str(draft),
            tile=True,
            tile_width=TILE,
            tile_height=TILE,
            pyramid=True,
            compression="jpeg",
            Q=TIFF_QUALITY,
        )


def write_jpeg(image: pyvips.Image, path: Path) -> None:
    with whole_file(path) as draft:
        image.jpegsave(str(draft), Q=JPEG_QUALITY, optimize_coding=True, interlace=False)


def write_jpeg2000(pixels: NDArray[np.uint8], path: Path) -> None:
    """One tile, quality layers, precincts in the order of resolution and place, and their lengths in the header.

    Raises RuntimeError or OSError where there is no OpenJPEG that can write.
    """
    glymur = _glymur()
    levels = min(RESOLUTIONS, max(1, min(pixels.shape[:2]).bit_length() - 6))
    glymur.set_option("lib.num_threads", min(os.cpu_count() or 1, 8))
    with whole_file(path) as draft:
        glymur.Jp2k(
            str(draft),
            data=pixels,
            irreversible=True,
            cratios=LAYER_RATIOS,
            numres=levels,
            cbsize=(64, 64),
            psizes=[(PRECINCT, PRECINCT)] * levels,
            prog="RPCL",
            plt=True,
        )


def _glymur() -> ModuleType:
    """glymur, bound to the OpenJPEG that the decoders use: it looks for the library while it is imported."""
    libraries = list(find_libraries())
    find: Callable[[str], str | None] = ctypes.util.find_library

    def find_library(name: str) -> Any:
        return libraries[0] if name == "openjp2" and libraries else find(name)

    with mock.patch.object(ctypes.util, "find_library", find_library):
        return importlib.import_module("glymur")
