"""What is shown of one stored JPEG tile, by Pillow. Runs in a decoder process, or in a thread.

Both Pillow and libvips let libjpeg-turbo decode by its accurate transform and interpolate chrominance, so they give the
same pixels; but what libvips does around it costs as much again.
"""

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import JpegImagePlugin

from images.decoders.errors import DamagedSourceError
from images.decoders.options import EncodeOptions
from images.decoders.pixels import Bytes, encode_pixels, repeat_ends
from images.decoders.records import pack_record
from images.decoders.source import SourceData

_MODES = {1: "L", 3: "RGB"}


def execute(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    """Do what `plan_cut` planned; `place` is that of the tile among others. Raises DamagedSourceError."""
    width, height = job["cut"]
    offset, length = job.get("place", (0, source.length))
    pixels = _decoded(source.read_at(offset, length), job["stored"])
    shown = repeat_ends(pixels[:height, :width], job["answer"])
    write(encode_pixels(shown, EncodeOptions(**job["options"])))


def execute_several(job: Mapping[str, Any], source: SourceData, write: Callable[[bytes], None]) -> None:
    """Write a record (see `records`) for each of `cuts_job`, one after the other: the first leaves when it is there.

    Raises DamagedSourceError; what was written before is good.
    """
    for number, one in enumerate(job["jobs"]):
        bodies: list[bytes] = []
        execute(one, source, bodies.append)
        body = b"".join(bodies)
        write(pack_record(number, len(body)))
        write(body)
        if number == 0:
            write(b"")


def _decoded(jpeg: bytes, stored: list[int]) -> Bytes:
    """Rows × columns × samples; `stored`: width, height and samples that there have to be."""
    width, height, samples = stored
    try:
        with PillowImage.open(io.BytesIO(jpeg), formats=(JpegImagePlugin.JpegImageFile.format,)) as tile:
            if (tile.size, tile.mode) != ((width, height), _MODES[samples]):
                raise DamagedSourceError("The file is damaged: a tile of it is not what its head says.")
            pixels: Bytes = np.asarray(tile).reshape(height, width, samples)
    except (OSError, SyntaxError, ValueError, struct.error, PillowImage.DecompressionBombError) as error:
        raise DamagedSourceError("The file is damaged: a tile of it cannot be decoded.") from error
    return pixels
