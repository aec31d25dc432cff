"""Whatever colours a source has, a screen's colours come out."""

import io

import numpy as np
import pytest
import pyvips
from PIL import Image as PillowImage
from PIL import ImageCms

from images.indexes.description import SourceFormat
from tests.images.decoders import scenes

PICTURE = scenes.picture(80, 60)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile() -> bytes:
    """Display P3, as libvips brings it along."""
    return bytes(pyvips.Operation.call("profile_load", "p3"))


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_embedded_profile_is_applied(source_format: str) -> None:
    profile = wide_profile()
    options = {"lossless": True} if source_format == "WEBP" else {}
    data = scenes.saved(PillowImage.fromarray(PICTURE), source_format, icc_profile=profile, **options)
    description = scenes.described(source_format, data)
    source = scenes.opened(data).convert("RGB")
    expected = ImageCms.profileToProfile(
        source,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert expected is not None
    ours = scenes.rendered(data, description)
    assert np.abs(ours.astype(int) - np.asarray(expected)).max() <= 3
    assert np.abs(ours.astype(int) - np.asarray(source)).max() > 10


def test_srgb_itself_passes_untouched() -> None:
    data = scenes.saved(PillowImage.fromarray(PICTURE), "PNG", icc_profile=srgb_profile())
    assert np.array_equal(scenes.rendered(data, scenes.described("PNG", data)), PICTURE)


@pytest.mark.parametrize("output", ["jpg", "png", "webp", "tif", "avif"])
def test_a_profile_can_be_kept_instead(output: str) -> None:
    profile = wide_profile()
    data = scenes.saved(PillowImage.fromarray(PICTURE), "PNG", icc_profile=profile)
    kept = scenes.encoded(data, scenes.described("PNG", data), output=output, options={"icc": "keep"})
    assert scenes.opened(kept).info["icc_profile"] == profile
    converted = scenes.encoded(data, scenes.described("PNG", data), output=output)
    assert "icc_profile" not in scenes.opened(converted).info
    if output == "png":
        assert np.array_equal(scenes.pixels_of(kept), PICTURE)


def test_a_profile_of_other_colours_than_the_image_is_passed_over() -> None:
    gray = PICTURE[:, :, 0]
    data = scenes.saved(PillowImage.fromarray(gray), "PNG")
    image = pyvips.Image.new_from_buffer(data, "").copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", srgb_profile())
    tiff = image.tiffsave_buffer()
    assert np.array_equal(scenes.rendered(tiff, scenes.described("TIFF", tiff)), gray)


def test_a_broken_profile_is_passed_over() -> None:
    profile = bytearray(wide_profile())
    profile[128:] = b"\xff" * (len(profile) - 128)
    image = scenes.vips_image(PICTURE).copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", bytes(profile))
    data = image.tiffsave_buffer()
    assert np.array_equal(scenes.rendered(data, scenes.described("TIFF", data)), PICTURE)


@pytest.mark.parametrize("inks", [(0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (0, 255, 255, 0)])
def test_cmyk_jpeg_of_adobe_is_not_negative(inks: tuple[int, int, int, int]) -> None:
    """Pillow writes the inverted values that Adobe's marker stands for."""
    image = PillowImage.new("CMYK", (32, 32), inks)
    data = scenes.saved(image, "JPEG", quality=95)
    description = scenes.inspected(SourceFormat.JPEG, data)
    assert description.colour == "cmyk"
    ours = scenes.rendered(data, description)[16, 16].astype(int)
    simple = np.asarray(image.convert("RGB"))[16, 16].astype(int)
    assert ours.shape == (3,)
    assert np.abs(ours - simple).max() < 130
    assert (ours > 127).tolist() == (simple > 127).tolist()


def test_cmyk_with_keep_is_converted_all_the_same() -> None:
    data = scenes.saved(PillowImage.new("CMYK", (32, 32), (0, 0, 0, 0)), "JPEG", quality=95)
    ours = scenes.rendered(data, scenes.described("JPEG", data), options={"icc": "keep"})
    assert ours.shape == (32, 32, 3)


def test_palette_png_with_transparency() -> None:
    image = PillowImage.new("P", (16, 16))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (8, 0, 16, 16))
    data = scenes.saved(image, "PNG", transparency=0)
    ours = scenes.rendered(data, scenes.described("PNG", data))
    assert ours[0, 0].tolist() == [255, 0, 0, 0]
    assert ours[0, 15].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_every_kind_of_png(mode: str) -> None:
    image = PillowImage.fromarray(PICTURE).convert(mode)
    data = scenes.saved(image, "PNG")
    expected = np.asarray(image.convert({"1": "L", "P": "RGB"}.get(mode, mode)))
    assert np.array_equal(scenes.rendered(data, scenes.described("PNG", data)), expected)


def test_png_of_sixteen_bits() -> None:
    gray = PICTURE[:, :, 0]
    data = scenes.saved(PillowImage.fromarray(gray.astype(np.uint16) * 257), "PNG")
    assert np.array_equal(scenes.rendered(data, scenes.described("PNG", data)), gray)


def test_gray_profile_keeps_one_band() -> None:
    gray = PICTURE[:, :, 0]
    image = scenes.vips_image(gray, "b-w").copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", gray_profile())
    data = image.tiffsave_buffer()
    ours = scenes.rendered(data, scenes.tiff_description(data, bands=1, colour="gray"))
    assert ours.shape == gray.shape
    assert ours[gray > 100].astype(int).mean() != gray[gray > 100].astype(int).mean()
    order = np.argsort(gray.ravel(), kind="stable")
    assert (np.diff(ours.ravel()[order].astype(int)) >= 0).all()


def gray_profile() -> bytes:
    """A minimal gray profile with gamma 1.0 (ICC.1:2010, 7.2, 8.3.2)."""
    white = b"XYZ \0\0\0\0" + bytes.fromhex("0000f6d6000100000000d32d")
    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + bytes.fromhex("0100") + b"\0\0"
    text = b"desc\0\0\0\0" + (2).to_bytes(4, "big") + b"g\0" + bytes(80)
    tags = [(b"desc", text), (b"wtpt", white), (b"kTRC", curve)]
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags:
        padded = content + bytes(-len(content) % 4)
        table += name + (offset + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += padded
    length = offset + len(body)
    head = length.to_bytes(4, "big") + bytes(4) + bytes.fromhex("02400000") + b"scnrGRAYXYZ " + bytes(12) + b"acsp"
    head += bytes(28) + bytes.fromhex("0000f6d6000100000000d32d")
    return head.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + body
