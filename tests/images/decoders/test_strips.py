"""Images made strip by strip, and the TIFF files that carry them in and out."""

import struct
from collections.abc import Iterator

import numpy as np
import pytest
import pyvips
from PIL import Image as PillowImage

from images.decoders.errors import DamagedSourceError
from images.decoders.strips import Bytes, strip_image
from images.decoders.tiff_layout import TiffLayout
from tests.images.decoders import scenes

WIDTH, HEIGHT = 1201, 907


def in_strips(pixels: Bytes, rows: int, made: list[int] | None = None) -> Iterator[Bytes]:
    """Each in the same room, as decoders make them."""
    room = np.empty((rows, *pixels.shape[1:]), np.uint8)
    for top in range(0, len(pixels), rows):
        if made is not None:
            made.append(top)
        strip = room[: min(rows, len(pixels) - top)]
        strip[:] = pixels[top : top + rows]
        yield strip
        strip[:] = 0


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 64, 100, 2000])
def test_strips_are_joined_to_an_image(bands: int, rows: int) -> None:
    pixels = scenes.noise(WIDTH, HEIGHT, bands)
    with strip_image(TiffLayout(WIDTH, HEIGHT, bands), in_strips(pixels, rows)) as image:
        assert image.hasalpha() == (bands in {2, 4})
        assert np.array_equal(image.numpy().reshape(pixels.shape), pixels)


def test_four_bands_may_be_colours() -> None:
    pixels = scenes.noise(50, 40, 4)
    with strip_image(TiffLayout(50, 40, 4, is_cmyk=True), in_strips(pixels, 7)) as image:
        assert (image.interpretation, image.hasalpha()) == ("cmyk", False)
        assert np.array_equal(image.numpy(), pixels)


def test_a_strip_is_made_only_when_its_pixels_are_asked_for() -> None:
    made: list[int] = []
    pixels = scenes.noise(WIDTH, 6000)
    seen: list[int] = []
    target = pyvips.TargetCustom()

    def take(piece: bytes) -> int:
        seen.append(len(made))
        return len(piece)

    target.on_write(take)
    with strip_image(TiffLayout(WIDTH, 6000, 3), in_strips(pixels, 300, made)) as image:
        assert not made
        image.jpegsave_target(target)
    assert seen[0] <= 3
    assert made == list(range(0, 6000, 300))


def test_what_the_strips_raise_is_raised() -> None:
    def strips() -> Iterator[Bytes]:
        yield np.zeros((300, WIDTH, 3), np.uint8)
        raise DamagedSourceError("The second strip is cut off.")

    with (
        pytest.raises(DamagedSourceError, match="second strip"),
        strip_image(TiffLayout(WIDTH, HEIGHT, 3), strips()) as image,
    ):
        image.jpegsave_buffer()


def test_too_few_strips_are_an_error() -> None:
    pixels = scenes.noise(WIDTH, HEIGHT - 1)
    with (
        pytest.raises(DamagedSourceError, match="fewer rows"),
        strip_image(TiffLayout(WIDTH, HEIGHT, 3), in_strips(pixels, 100)) as image,
    ):
        image.jpegsave_buffer()


def test_an_error_of_libvips_stays_one() -> None:
    with (
        pytest.raises(pyvips.Error),
        strip_image(TiffLayout(20, 10, 3), in_strips(scenes.noise(20, 10), 5)) as image,
    ):
        image.crop(0, 0, 30, 30)


def test_beyond_four_gigabytes_the_head_is_that_of_bigtiff() -> None:
    """Where each strip is, as the head says: BigTIFF 43, 8 byte offsets; one after the other up to the end."""
    layout = TiffLayout(60_000, 30_000, 3)
    head = layout.head()
    assert struct.unpack_from("<2sHHHQ", head) == (b"II", 43, 8, 0, 16)
    (count,) = struct.unpack_from("<Q", head, 16)
    entries = {}
    for at in range(24, 24 + 20 * count, 20):
        tag, type_, length, value = struct.unpack_from("<HHQQ", head, at)
        entries[tag] = (type_, length, value)
    assert list(entries) == sorted(entries)
    _, strips, where = entries[273]
    offsets = struct.unpack_from(f"<{strips}Q", head, where)
    lengths = struct.unpack_from(f"<{strips}I", head, entries[279][2])
    assert offsets[0] == len(head)
    assert all(
        offset + length == following for offset, length, following in zip(offsets, lengths, offsets[1:], strict=False)
    )
    assert offsets[-1] + lengths[-1] == len(head) + 60_000 * 30_000 * 3
    assert TiffLayout(30_000, 30_000, 3).head()[:4] == b"II*\0"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
@pytest.mark.parametrize("quality", ["default", "bitonal"])
def test_a_streamed_tiff_holds_what_a_held_one_holds(mode: str, quality: str) -> None:
    pixels = scenes.noise(301, 203, len(mode))
    data = scenes.saved(PillowImage.fromarray(pixels.squeeze(), mode), "PNG")
    description = scenes.described("PNG", data)
    streamed, held = (
        scenes.encoded(data, description, output="tif", quality=quality, options={"tiff_streamed_area": area})
        for area in (1, 10**9)
    )
    assert streamed != held
    assert np.array_equal(scenes.pixels_of(streamed), scenes.pixels_of(held))
    images = [pyvips.Image.tiffload_buffer(each) for each in (streamed, held)]
    for name in ("interpretation", "bands", "xres", "yres"):
        assert images[0].get(name) == images[1].get(name)


def test_a_streamed_tiff_keeps_the_profile_where_told() -> None:
    profile = pyvips.Image.profile_load("p3")
    data = scenes.vips_image(scenes.noise(64, 48), "srgb")
    data = data.copy()
    data.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    source = data.pngsave_buffer()
    description = scenes.described("PNG", source)
    made = scenes.encoded(source, description, output="tif", options={"tiff_streamed_area": 1, "icc": "keep"})
    assert bytes(pyvips.Image.tiffload_buffer(made).get("icc-profile-data")) == bytes(profile)
