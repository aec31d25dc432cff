"""TIFF that leaves while it is made: uncompressed, so that all of its head is known before the first pixel.

What libvips writes compressed begins with the place of a directory that comes last; so it has to be held until then.
"""

from collections.abc import Callable

import numpy as np
import pyvips

from images.decoders.tiff_layout import TiffLayout

Write = Callable[[bytes], None]


def tiff_layout(image: pyvips.Image, dots_per_inch: int, profile: bytes | None, *, bitonal: bool) -> TiffLayout:
    return TiffLayout(
        image.width,
        image.height,
        image.bands,
        bits=1 if bitonal else 8,
        dots_per_inch=dots_per_inch,
        profile=profile,
    )


def packing(layout: TiffLayout, write: Write) -> Write:
    """Takes pixels from the top, one byte each whatever the pieces, and writes them as they are stored."""
    if layout.bits == 8:
        return write
    held = bytearray()

    def pack(piece: bytes) -> None:
        held.extend(piece)
        rows = len(held) // layout.width
        if rows:
            pixels = np.frombuffer(bytes(held[: rows * layout.width]), np.uint8).reshape(rows, layout.width)
            del held[: rows * layout.width]
            write(np.packbits(pixels > 0, axis=1).tobytes())

    return pack
