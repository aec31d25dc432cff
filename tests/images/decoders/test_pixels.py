"""Tiles that Pillow encodes from memory are, byte for byte, those that libvips encodes."""

import io
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image as PillowImage

from images.decoders import execute, jp2_colour, pixels
from images.decoders.encode import encode
from images.decoders.options import EncodeOptions
from images.decoders.plan import plan
from images.decoders.render import RenderRequest
from images.decoders.source import SourceData
from images.iiif.geometry import Region, Size
from images.indexes.description import SourceDescription
from tests.images.decoders import scenes


def by_libvips(raster: pyvips.Image, output: str, options: EncodeOptions) -> bytes:
    pieces: list[bytes] = []
    encode(raster, output, options, pieces.append, bitonal=False)
    return b"".join(pieces)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("quality", [1, 30, 75, 85, 89, 90, 95, 100])
@pytest.mark.parametrize("size", [(256, 256), (1, 1), (17, 250), (515, 16)])
def test_pillow_and_libvips_write_the_same_bytes(bands: int, quality: int, size: tuple[int, int]) -> None:
    for make in (scenes.picture, scenes.noise):
        made = make(*size, bands)
        options = EncodeOptions(jpeg_quality=quality, dots_per_inch=300 if quality == 75 else None)
        raster = scenes.vips_image(made, "b-w" if bands == 1 else "srgb")
        assert pixels.encode_pixels(made.reshape(*size[::-1], bands), options) == by_libvips(raster, "jpg", options)


def test_a_part_of_a_raster_is_encoded_where_it_lies() -> None:
    made = scenes.picture(90, 70)
    part = made[10:50, 20:80]
    alone = pixels.encode_pixels(np.ascontiguousarray(part), EncodeOptions())
    assert pixels.encode_pixels(part, EncodeOptions()) == alone


@pytest.mark.parametrize("output", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    "options", [{}, {"jpeg_progressive": True}, {"icc": "keep"}, {"dots_per_inch": 400}, {"jpeg_quality": 92}]
)
def test_cuts_are_what_is_encoded_alone(output: str, options: dict[str, Any]) -> None:
    """With a profile too, which libvips has to put in."""
    chosen = EncodeOptions(**options)
    request = RenderRequest(Region(0, 0, 90, 70), Size(90, 70), format=output, options=chosen)
    raster = scenes.vips_image(scenes.picture(90, 70), "srgb")
    if chosen.icc == "keep":
        raster = raster.copy()
        raster.set_type(pyvips.GValue.blob_type, "icc-profile-data", bytes(pyvips.Operation.call("profile_load", "p3")))
    cut = pixels.cutter(raster, request)
    for x, y, width, height in ((0, 0, 64, 64), (64, 64, 26, 6)):
        tile = cut(Region(x, y, width, height))
        assert tile == by_libvips(raster.crop(x, y, width, height), output, chosen)
        assert (b"ICC_PROFILE" in tile) == (chosen.icc == "keep" and output == "jpg") or output != "jpg"


def jp2(bands: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    made = scenes.picture(200, 150, bands)
    PillowImage.fromarray(made[:, :, 0] if bands == 1 else made).save(buffer, "JPEG2000", num_resolutions=3, **options)
    return buffer.getvalue()


def rendered(data: bytes, description: SourceDescription, request: RenderRequest) -> bytes:
    pieces: list[bytes] = []
    execute.execute(plan(description, request), SourceData(data=data), pieces.append)
    return b"".join(pieces)


@pytest.mark.parametrize("bands", [1, 3, 4])
@pytest.mark.parametrize("region", [(0, 0, 200, 150), (40, 20, 128, 64), (136, 86, 64, 64)])
def test_jpeg_2000_goes_straight_to_the_encoder(
    monkeypatch: pytest.MonkeyPatch, bands: int, region: tuple[int, int, int, int]
) -> None:
    """But for transparency, which is laid on a background; the bytes are those of the way through libvips."""
    data, description = jp2(bands), scenes.jp2_description(200, 150, 2, has_alpha=bands == 4)
    request = RenderRequest(Region(*region), Size(*region[2:]))
    with monkeypatch.context() as patch:
        patch.setattr(pixels, "encodes_pixels", lambda _request: False)
        expected = rendered(data, description, request)
    shown: list[object] = []
    through_libvips = execute.shown

    def counted(*given: Any) -> pyvips.Image:
        shown.append(given)
        return through_libvips(*given)

    monkeypatch.setattr(execute, "shown", counted)
    assert rendered(data, description, request) == expected
    assert len(shown) == (1 if bands == 4 else 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"mirrored": True},
        {"degrees": "90"},
        {"quality": "gray"},
        {"format": "png"},
        {"size": Size(50, 50)},
        {"options": EncodeOptions(jpeg_progressive=True)},
    ],
)
def test_what_changes_pixels_goes_through_libvips(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    def fail(*_given: object) -> None:
        raise AssertionError("libvips was left out")

    monkeypatch.setattr(jp2_colour, "find_display_pixels", fail)
    request = RenderRequest(**{"region": Region(0, 0, 128, 128), "size": Size(128, 128), **changes})
    assert rendered(jp2(3), scenes.jp2_description(200, 150, 2), request)
