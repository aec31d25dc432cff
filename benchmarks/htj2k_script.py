"""Run by the Python of the tools: `htj2k_script.py PICTURE.tif TARGET.jp2` encodes with OpenJPH, as a JP2."""

import struct
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

QUANTISATION = 0.015
"""Step of the irreversible transform, for about 10:1."""
RESOLUTIONS = 7


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def main(picture: str, target: str) -> None:
    pixels = np.ascontiguousarray(tifffile.imread(picture))
    codestream = imagecodecs.htj2k_encode(
        pixels, level=QUANTISATION, reversible=False, resolutions=RESOLUTIONS, rgb=True, tlm=True
    )
    height, width, bands = pixels.shape
    header = box(b"ihdr", struct.pack(">IIHBBBB", height, width, bands, 7, 7, 0, 0))
    header += box(b"colr", struct.pack(">BBBI", 1, 0, 0, 16))  # enumerated, sRGB
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jph \0\0\0\0jph jp2 ") + box(b"jp2h", header)
    Path(target).write_bytes(start + box(b"jp2c", codestream))


if __name__ == "__main__":
    main(*sys.argv[1:])
