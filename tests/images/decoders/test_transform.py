"""Orientation, mirroring, rotation and quality, against Pillow."""

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from images.indexes.description import SourceFormat
from tests.images.decoders import scenes

PICTURE = scenes.picture(97, 61)
PNG = scenes.saved(PillowImage.fromarray(PICTURE), "PNG")
DESCRIPTION = scenes.inspected(SourceFormat.PNG, PNG)


def oriented(orientation: int, source_format: str) -> bytes:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"lossless": True} if source_format == "WEBP" else {}
    return scenes.saved(PillowImage.fromarray(PICTURE), source_format, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(source_format: str, orientation: int) -> None:
    data = oriented(orientation, source_format)
    description = scenes.inspected(SourceFormat(source_format.lower()), data)
    expected = ImageOps.exif_transpose(scenes.opened(data)).convert("RGB")
    assert (description.width, description.height) == expected.size
    assert np.array_equal(scenes.rendered(data, description), np.asarray(expected))
    region = (5, 7, 40, 33)
    part = expected.crop((5, 7, 45, 40))
    assert np.array_equal(scenes.rendered(data, description, region), np.asarray(part))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_size(orientation: int) -> None:
    data = oriented(orientation, "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    upright = ImageOps.exif_transpose(scenes.opened(data))
    size = (33, 40)
    expected = np.asarray(upright.resize(size, PillowImage.Resampling.LANCZOS)).astype(int)
    error = np.abs(scenes.rendered(data, description, None, size) - expected)[4:-4, 4:-4]
    assert error.mean() < 2


@pytest.mark.parametrize("degrees", ["0", "90", "180", "270"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_quarter_turns_are_exact_and_clockwise(degrees: str, mirrored: bool) -> None:
    expected = np.rot90(PICTURE[:, ::-1] if mirrored else PICTURE, -int(degrees) // 90)
    ours = scenes.rendered(PNG, DESCRIPTION, degrees=degrees, mirrored=mirrored)
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("degrees", ["45", "22.5", "359.9", "137"])
def test_other_angles_grow_the_canvas_and_keep_the_scale(degrees: str) -> None:
    ours = scenes.rendered(PNG, DESCRIPTION, degrees=degrees)
    radians = math.radians(float(degrees))
    cosine, sine = abs(math.cos(radians)), abs(math.sin(radians))
    assert ours.shape[2] == 4
    assert abs(ours.shape[1] - (97 * cosine + 61 * sine)) <= 2
    assert abs(ours.shape[0] - (97 * sine + 61 * cosine)) <= 2
    middle = ours[ours.shape[0] // 2, ours.shape[1] // 2]
    assert middle[3] == 255
    assert np.abs(middle[:3].astype(int) - PICTURE[30, 48]).max() <= 40
    visible = (ours[:, :, 3] > 127).sum()
    assert abs(visible - 97 * 61) < 300


def test_an_angle_turns_clockwise() -> None:
    pixels = np.zeros((61, 97, 3), np.uint8)
    pixels[:, :20] = 255
    data = scenes.saved(PillowImage.fromarray(pixels), "PNG")
    ours = scenes.rendered(data, DESCRIPTION, degrees="80")
    half = ours.shape[0] // 2
    assert ours[:half, :, 0].sum() > 10 * ours[half:, :, 0].sum()


def test_corners_of_a_rotated_jpeg_are_the_background() -> None:
    ours = scenes.rendered(
        PNG, DESCRIPTION, output="jpg", degrees="45", options={"background": "#102030", "jpeg_quality": 95}
    )
    assert np.abs(ours[0, 0].astype(int) - [0x10, 0x20, 0x30]).max() <= 4


@pytest.mark.parametrize("output", ["png", "webp", "tif", "avif", "gif"])
def test_transparency_stays_where_the_format_has_it(output: str) -> None:
    pixels = scenes.picture(64, 48, 4)
    pixels[:, :, 3] = np.where(np.arange(64) < 32, 0, 255)
    data = scenes.saved(PillowImage.fromarray(pixels), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    with scenes.opened(scenes.encoded(data, description, output=output)) as image:
        alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    assert alpha[:, :30].max() <= 10
    assert alpha[:, 34:].min() >= 245


@pytest.mark.parametrize("output", ["jpg", "jp2"])
def test_transparency_becomes_the_background(output: str) -> None:
    pixels = scenes.picture(64, 48, 4)
    pixels[:, :, 3] = 0
    data = scenes.saved(PillowImage.fromarray(pixels), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    ours = scenes.rendered(data, description, output=output, options={"background": "#00ff00"})
    assert np.abs(ours.astype(int) - [0, 255, 0]).max() <= 4


def test_gray_with_alpha_on_a_coloured_background() -> None:
    pixels = np.full((8, 8, 2), (200, 0), np.uint8)
    data = scenes.saved(PillowImage.fromarray(pixels, "LA"), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    ours = scenes.rendered(data, description, output="jpg", options={"background": "#ff0000"})
    assert np.abs(ours.astype(int) - [255, 0, 0]).max() <= 6


def test_transparent_pixels_lend_no_colour_to_their_neighbours() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (255, 0, 0, 255)
    pixels[:, 32:] = (0, 255, 0, 0)
    data = scenes.saved(PillowImage.fromarray(pixels), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    ours = scenes.rendered(data, description, None, (21, 21))
    seen = ours[:, :, 3] > 8
    assert ours[seen][:, 1].max() <= 2
    assert ours[seen][:, 0].min() >= 250


def test_gray_is_one_band() -> None:
    ours = scenes.rendered(PNG, DESCRIPTION, quality="gray")
    expected = PillowImage.fromarray(PICTURE).convert("L")
    assert ours.shape == (61, 97)
    assert np.abs(ours.astype(int) - np.asarray(expected)).mean() < 12


@pytest.mark.parametrize("threshold", [1, 100, 128, 255])
@pytest.mark.parametrize("output", ["png", "tif", "gif"])
def test_bitonal_is_black_and_white_in_one_bit(output: str, threshold: int) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    data = scenes.saved(PillowImage.fromarray(ramp), "PNG")
    description = scenes.inspected(SourceFormat.PNG, data)
    encoded = scenes.encoded(
        data, description, output=output, quality="bitonal", options={"bitonal_threshold": threshold}
    )
    with scenes.opened(encoded) as image:
        assert image.mode in {"1", "P"} or output == "gif"
        ours = np.asarray(image.convert("L"))
    assert np.array_equal(ours, np.where(ramp >= threshold, 255, 0))


def test_bitonal_jpeg() -> None:
    ours = scenes.rendered(PNG, DESCRIPTION, output="jpg", quality="bitonal", options={"jpeg_quality": 100})
    assert ours.ndim == 2
    assert ((ours < 30) | (ours > 225)).mean() > 0.95
