"""Real files and the conformance files of T.803: right pixels, or a plain reason."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps

from images.decoders.errors import DecodeError
from images.decoders.jp2_header import Header, read_header
from images.decoders.source import SourceData
from images.indexes.description import SourceDescription, SourceFormat
from images.indexes.errors import IndexingError
from images.indexes.jp2.description import describe as describe_jp2
from images.indexes.parsing import run
from images.indexes.sniff import sniff
from images.indexes.tiff.description import describe as describe_tiff
from tests.conftest import CORPUS
from tests.images.decoders import scenes

pytestmark = pytest.mark.corpus

FOLDERS = ("conformance", "real", "formats", "reference")
NOT_IMAGES = {"COPYRIGHT", "VERSION.txt", "README.md"}
FILES = sorted(
    path.relative_to(CORPUS).as_posix()
    for folder in FOLDERS
    for path in (CORPUS / folder).glob("*")
    if path.name not in NOT_IMAGES
)

REFUSED = {
    "formats/17000x17000.avif": "17000 × 17000",
    "formats/ISO_12233-reschart.pdf": "PDF",
    "formats/logo.svg": "SVG",
    "formats/truncated.gif": "The file is damaged: ",
    "formats/truncated.jpg": "The file is damaged: ",
}
"""What must not be served, and a word of why."""

LOSSY_CHROMA = {"formats/avif-orientation-6.avif", "formats/subsampled.tif"}
"""Pillow enlarges their coarser chroma by another filter: only the average can be compared."""

CONVERTED = 4
"""Two colour engines differ by this much at the most, out of 255."""


def described(data: bytes) -> SourceDescription:
    source_format = sniff(data[:64])
    if source_format is SourceFormat.JP2:
        return run(describe_jp2(len(data)), lambda start, length: data[start : start + length])
    if source_format is SourceFormat.TIFF:
        return run(describe_tiff(len(data)), lambda start, length: data[start : start + length])
    return scenes.inspected(source_format, data)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_files_are_refused_in_words(corpus: Path, name: str) -> None:
    data = (corpus / name).read_bytes()
    with pytest.raises((IndexingError, DecodeError)) as caught:
        scenes.rendered(data, described(data))
    assert REFUSED[name] in str(caught.value)


@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED])
def test_every_file_shows_what_its_reference_shows(corpus: Path, name: str) -> None:
    data = (corpus / name).read_bytes()
    description = described(data)
    ours = scenes.rendered(data, description, from_file=True)
    is_jp2 = description.source_format is SourceFormat.JP2
    expected, tolerance = jp2_reference(data) if is_jp2 else reference(data)
    assert ours.shape == expected.shape
    error = np.abs(ours.astype(int) - expected.astype(int))
    if ours.shape[2:] == (4,):
        error *= ours[:, :, 3:] > 0
    if name in LOSSY_CHROMA:
        assert error.mean() < 5
    else:
        assert error.max() <= tolerance


@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED])
def test_tiles_of_every_file_join(corpus: Path, name: str) -> None:
    """Four tiles around the middle of the image against one region, at full size and at a quarter."""
    data = (corpus / name).read_bytes()
    description = described(data)
    for step in (1, 4):
        tile = 64 * step
        x = description.width // 2 // tile * tile
        y = description.height // 2 // tile * tile
        if x + 2 * tile > description.width or y + 2 * tile > description.height:
            continue
        whole = scenes.rendered(data, description, (x, y, 2 * tile, 2 * tile), (128, 128), from_file=True)
        parts = [
            [scenes.rendered(data, description, (x + dx, y + dy, tile, tile), (64, 64)) for dx in (0, tile)]
            for dy in (0, tile)
        ]
        assert np.array_equal(np.vstack([np.hstack(row) for row in parts]), whole)


def reference(data: bytes) -> tuple[npt.NDArray[Any], int]:
    """By Pillow, and how far it may be off."""
    image = ImageOps.exif_transpose(scenes.opened(data))
    profile = image.info.get("icc_profile")
    if image.mode in {"1", "I;16", "I;16B"}:
        return np.asarray(image.convert("L")), 0
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if profile and image.mode == "RGB":
        return in_srgb(np.asarray(image), profile), CONVERTED
    return np.asarray(image), 0


def in_srgb(pixels: npt.NDArray[Any], profile: bytes) -> npt.NDArray[Any]:
    source = PillowImage.fromarray(pixels)
    converted = ImageCms.profileToProfile(
        source,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None
    result = np.asarray(converted)
    return result[:, :, 1] if source.mode == "L" else result


def jp2_reference(data: bytes) -> tuple[npt.NDArray[Any], int]:
    """From the samples of a whole decode: placed on the reference grid, 8 bits, in the file's colours.

    Of four components or more that nobody explains, the first three are red, green and blue.
    """
    header = read_header(SourceData(data=data))
    if header.palette:
        return scenes.pixels_of_rgb(data), 0
    count = 3 if len(header.codestream.components) >= 3 else 1
    stream = header.codestream
    samples = scenes.component_planes(data[stream.offset : stream.offset + stream.length])
    planes = np.dstack([placed(header, samples[index], index) for index in range(count)])
    if header.definitions:
        order = [entry.association - 1 for entry in header.definitions]
        planes = planes[:, :, np.argsort(order)]
    if header.colour.enumerated == 18:
        planes = np.clip(to_rgb(planes), 0, 255).round().astype(np.uint8)
    pixels = planes[:, :, 0] if count == 1 else planes
    if header.colour.profile:
        return in_srgb(pixels, header.colour.profile), CONVERTED
    return pixels, 1 if header.colour.enumerated == 18 else 0


def placed(header: Header, plane: npt.NDArray[np.int32], index: int) -> npt.NDArray[np.uint8]:
    """One component, each sample repeated over the grid pixels from its own position to the next."""
    stream = header.codestream
    component = stream.components[index]
    across = np.arange(stream.x0, stream.x1) // component.dx - -(-stream.x0 // component.dx)
    down = np.arange(stream.y0, stream.y1) // component.dy - -(-stream.y0 // component.dy)
    samples = plane[np.clip(down, 0, None)][:, np.clip(across, 0, None)]
    if component.is_signed:
        samples = samples + (1 << component.precision - 1)
    if component.precision < 8:
        samples = np.rint(samples * 255 / ((1 << component.precision) - 1)).astype(int)
    else:
        samples = samples >> (component.precision - 8)
    return np.clip(samples, 0, 255).astype(np.uint8)


def to_rgb(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    luma, blue, red = (planes[:, :, band].astype(float) for band in range(3))
    blue, red = blue - 128, red - 128
    return np.dstack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue])
