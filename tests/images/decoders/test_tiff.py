"""Every shape a TIFF comes in shows the same picture."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import pyvips
from PIL import Image as PillowImage

from images.decoders.errors import DecodeError
from tests.images.decoders import scenes

PICTURE = scenes.picture(300, 200)


def difference(ours: npt.NDArray[Any], expected: npt.NDArray[Any]) -> int:
    assert ours.shape == expected.shape
    return int(np.abs(ours.astype(int) - expected.astype(int)).max())


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits", "jpeg", "webp"])
@pytest.mark.parametrize("layout", [{}, {"tile": True, "tile_width": 64, "tile_height": 64}, {"bigtiff": True}])
def test_compressions(compression: str, layout: dict[str, Any]) -> None:
    options = {"compression": compression, "lossless": True} if compression == "webp" else {"compression": compression}
    data = scenes.vips_image(PICTURE).tiffsave_buffer(Q=95, **options, **layout)
    description = scenes.tiff_description(data, tile=64 if "tile" in layout else None)
    region = (70, 50, 150, 130)
    ours = scenes.rendered(data, description, region, from_file=True)
    assert difference(ours, PICTURE[50:180, 70:220]) <= (16 if compression == "jpeg" else 0)


@pytest.mark.parametrize("predictor", ["none", "horizontal"])
def test_sixteen_bits(predictor: str) -> None:
    wide = PICTURE.astype(np.uint16) * 257
    data = scenes.vips_image(wide, "rgb16").tiffsave_buffer(compression="deflate", predictor=predictor)
    ours = scenes.rendered(data, scenes.tiff_description(data, bits_per_sample=16))
    assert difference(ours, PICTURE) == 0


def test_sixteen_bits_gray() -> None:
    wide = PICTURE[:, :, 0].astype(np.uint16) * 257
    data = scenes.vips_image(wide, "grey16").tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=1, bits_per_sample=16, colour="gray"))
    assert difference(ours, PICTURE[:, :, 0]) == 0


def test_sixteen_bits_with_alpha() -> None:
    wide = scenes.picture(60, 40, 4).astype(np.uint16) * 257
    data = scenes.vips_image(wide, "rgb16").tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=4, has_alpha=True, bits_per_sample=16))
    assert difference(ours, (wide >> 8).astype(np.uint8)) == 0


@pytest.mark.parametrize("bands", [1, 3])
def test_floating_point_from_0_to_1(bands: int) -> None:
    light = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1).repeat(bands, 2)
    image = scenes.vips_image(light, "b-w" if bands == 1 else "srgb")
    data = image.tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=bands, bits_per_sample=32))
    assert ours.reshape(16, 16, -1)[0, 0, 0] == 0
    assert ours.reshape(16, 16, -1)[-1, -1, 0] == 255


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits(depth: int) -> None:
    levels = (1 << depth) - 1
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    data = scenes.vips_image(gray, "b-w").tiffsave_buffer(bitdepth=depth)
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=1, bits_per_sample=depth, colour="gray"))
    assert set(np.unique(ours)) <= {round(255 * n / levels) for n in range(levels + 1)}
    assert ours[0, 0] == 0
    assert ours[-1, -1] == 255


@pytest.mark.parametrize("compression", ["none", "ccittfax4", "deflate"])
@pytest.mark.parametrize("miniswhite", [False, True])
def test_bilevel(compression: str, miniswhite: bool) -> None:
    gray = np.where(scenes.picture(101, 37, 1)[:, :, 0] > 128, 255, 0).astype(np.uint8)
    data = scenes.vips_image(gray, "b-w").tiffsave_buffer(
        bitdepth=1, compression=compression, predictor="none", miniswhite=miniswhite
    )
    description = scenes.tiff_description(data, bands=1, bits_per_sample=1, colour="bilevel")
    assert difference(scenes.rendered(data, description), gray) == 0
    smaller = scenes.rendered(data, description, None, (50, 18))
    assert len(np.unique(smaller)) > 2


def test_palette() -> None:
    image = PillowImage.fromarray(PICTURE).quantize(32)
    data = scenes.saved(image, "TIFF")
    ours = scenes.rendered(data, scenes.tiff_description(data, colour="palette"))
    assert difference(ours, np.asarray(image.convert("RGB"))) == 0


def test_ycbcr_with_coarser_chroma() -> None:
    data = scenes.saved(PillowImage.fromarray(PICTURE), "TIFF", compression="jpeg", quality=95)
    ours = scenes.rendered(data, scenes.tiff_description(data, colour="ycbcr"))
    assert np.abs(ours.astype(int) - PICTURE).mean() < 4


def test_cmyk() -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, 4:, 3] = 255
    data = scenes.vips_image(inks, "cmyk").tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=4, colour="cmyk"))
    assert ours.shape == (8, 8, 3)
    assert ours[:, :4].min() >= 250
    assert ours[:, 4:].max() <= 60


def test_lab() -> None:
    lab = scenes.vips_image(PICTURE, "srgb").colourspace("lab")
    data = lab.tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, colour="lab"))
    assert difference(ours, PICTURE) <= 8


def test_gray_with_alpha_stays_two_bands() -> None:
    pixels = scenes.picture(60, 40, 2)
    data = scenes.vips_image(pixels, "b-w").tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=2, colour="gray", has_alpha=True))
    assert difference(ours, pixels) == 0


def test_more_bands_than_a_screen_has() -> None:
    pixels = scenes.picture(60, 40, 7)
    data = scenes.vips_image(pixels, "multiband").tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=7, colour="other"))
    assert difference(ours[:, :, :3], pixels[:, :, :3]) == 0


@pytest.mark.parametrize("size", [(150, 100), (75, 50), (100, 80), (37, 25), (299, 200), (20, 190)])
@pytest.mark.parametrize("region", [(0, 0, 300, 200), (13, 7, 211, 150), (101, 99, 100, 100)])
def test_arbitrary_sizes_agree_with_pillow(region: tuple[int, int, int, int], size: tuple[int, int]) -> None:
    image = scenes.vips_image(PICTURE)
    data = image.tiffsave_buffer(tile=True, tile_width=64, tile_height=64, pyramid=True)
    description = scenes.tiff_description(data, pages=range(2), tile=64)
    x, y, width, height = region
    box = (x, y, x + width, y + height)
    expected = PillowImage.fromarray(PICTURE).resize(size, PillowImage.Resampling.LANCZOS, box=box)
    ours = scenes.rendered(data, description, region, size)
    inner = np.s_[4:-4, 4:-4]
    error = np.abs(ours.astype(int) - np.asarray(expected))[inner]
    assert error.mean() < 1.5
    assert error.max() < 20


@pytest.mark.parametrize("size", [(600, 400), (333, 222), (301, 900)])
def test_enlarging_agrees_with_pillow(size: tuple[int, int]) -> None:
    data = scenes.vips_image(PICTURE).tiffsave_buffer()
    expected = PillowImage.fromarray(PICTURE).resize(size, PillowImage.Resampling.BICUBIC)
    ours = scenes.rendered(data, scenes.tiff_description(data), None, size)
    error = np.abs(ours.astype(int) - np.asarray(expected))[8:-8, 8:-8]
    assert error.mean() < 1
    assert error.max() < 10


def test_a_level_that_is_no_longer_there() -> None:
    data = scenes.vips_image(PICTURE).tiffsave_buffer()
    other = scenes.vips_image(scenes.picture(301, 200)).tiffsave_buffer()
    with pytest.raises(DecodeError) as caught:
        scenes.rendered(other, scenes.tiff_description(data))
    assert caught.value.code == "changed"


def test_missing_tiles_are_an_error_and_not_black() -> None:
    image = scenes.vips_image(scenes.noise(512, 512))
    data = image.tiffsave_buffer(tile=True, tile_width=128, tile_height=128, compression="deflate")
    description = scenes.tiff_description(data, tile=128)
    cut = data[: len(data) // 2]
    with pytest.raises(DecodeError):
        scenes.rendered(cut, description)


def test_a_loader_that_nobody_offers_stays_blocked() -> None:
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_buffer(b"<svg xmlns='http://www.w3.org/2000/svg' width='5' height='5'/>", "")
