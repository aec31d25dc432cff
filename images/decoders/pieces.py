"""Tiles of plain pixels, unpacked by libdeflate and numpy. Runs in a decoder process, or in a thread."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import deflate
import numpy as np

from images.decoders.errors import DamagedSourceError
from images.decoders.options import EncodeOptions
from images.decoders.pixels import Bytes, encode_pixels, repeat_ends
from images.decoders.source import SourceData


def execute(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    """Do what `pieces_job` planned. Raises DamagedSourceError."""
    x, y, width, height = job["cut"]
    pixels = _joined(job, source)[y : y + height, x : x + width]
    write(encode_pixels(repeat_ends(pixels, job["answer"]), EncodeOptions(**job["options"])))


def _joined(job: Mapping[str, Any], source: SourceData) -> Bytes:
    """All pieces side by side, as they are stored."""
    places, columns = job["places"], job["columns"]
    if len(places) == 1:
        return _piece(job, source, 0)
    rows = range(0, len(places), columns)
    return np.vstack([np.hstack([_piece(job, source, row + column) for column in range(columns)]) for row in rows])


def _inflated(data: bytes, length: int) -> bytes | bytearray:
    """The first `length` bytes that are packed in `data`; whatever comes after them does not count, as for libtiff."""
    try:
        return deflate.zlib_decompress(data, length)
    except deflate.DeflateError:
        pass  # more bytes than these, or damage
    try:
        return zlib.decompressobj().decompress(data, length)
    except zlib.error as error:
        raise DamagedSourceError("The file is damaged: a tile of it cannot be unpacked.") from error


def _piece(job: Mapping[str, Any], source: SourceData, number: int) -> Bytes:
    """Rows × columns × samples of a piece."""
    offset, length = job["places"][number]
    width, height, samples = job["piece"]
    if number >= len(job["places"]) - job["columns"]:
        height = job["last_rows"]
    stored = source.read_at(offset, length)
    data = _inflated(stored, width * height * samples) if job["is_deflated"] else stored
    if len(data) != width * height * samples:
        raise DamagedSourceError("The file is damaged: a tile of it has too few bytes.")
    pixels: Bytes = np.frombuffer(data, np.uint8).reshape(height, width, samples)
    if job["has_differences"]:
        pixels = _added_up(pixels)
    return pixels


def _added_up(differences: Bytes) -> Bytes:
    """Each sample plus all on its left, modulo 256.

    Whole rows are added log2(width) times, at several bytes an instruction; one sum after the other takes three times
    as long.
    """
    height, width, samples = differences.shape
    sums = differences.reshape(height, width * samples).copy()
    step = samples
    while step < width * samples:
        sums[:, step:] += sums[:, :-step].copy()
        step *= 2
    return sums.reshape(height, width, samples)
