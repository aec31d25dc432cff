"""Tiles laid side by side are the rendering of the whole level, to the last bit."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from images.indexes.description import SourceDescription, SourceFormat
from tests.images.decoders import scenes

WIDTH, HEIGHT = 459, 331
STEPS = (1, 2, 3, 4, 8, 16, 32)

TIFFS: dict[str, dict[str, Any]] = {
    "strips": {},
    "tiles": {"tile": True},
    "pages": {"tile": True, "pyramid": True},
    "jpeg": {"tile": True, "pyramid": True, "compression": "jpeg"},
    "subifds": {"tile": True, "pyramid": True, "subifd": True, "bigtiff": True},
}


def tiff(kind: str, pixels: scenes.Pixels, **facts: Any) -> tuple[bytes, SourceDescription]:
    options = {"tile_width": 64, "tile_height": 64, **TIFFS[kind]}
    data: bytes = scenes.vips_image(pixels).tiffsave_buffer(**options)
    tile = 64 if kind != "strips" else None
    pages = range(4) if kind in {"pages", "jpeg"} else (0,)
    subifds = 3 if kind == "subifds" else 0
    return data, scenes.tiff_description(data, pages=pages, subifds=subifds, tile=tile, **facts)


def assert_seamless(data: bytes, description: SourceDescription, step: int, **other: Any) -> None:
    tiles = scenes.mosaic(data, description, step, 128, **other)
    assert np.array_equal(tiles, scenes.whole(data, description, step, **other))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", TIFFS)
def test_tiff(kind: str, step: int) -> None:
    assert_seamless(*tiff(kind, scenes.noise(WIDTH, HEIGHT)), step, from_file=True)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["strips", "pages"])
def test_turned_tiff(kind: str, orientation: int) -> None:
    data, description = tiff(kind, scenes.noise(WIDTH, HEIGHT), orientation=orientation)
    for step in (1, 2, 3, 8):
        assert_seamless(data, description, step)


def test_tiff_with_alpha() -> None:
    data, description = tiff("pages", scenes.noise(WIDTH, HEIGHT, 4), bands=4, has_alpha=True)
    for step in (2, 16, 32):
        assert_seamless(data, description, step)


@pytest.mark.parametrize("output", ["png", "tif"])
def test_gray_and_bitonal(output: str) -> None:
    data, description = tiff("pages", scenes.picture(WIDTH, HEIGHT))
    for quality in ("gray", "bitonal"):
        assert_seamless(data, description, 4, quality=quality, output=output)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("source_format", ["jpeg", "png", "webp", "gif"])
def test_untiled_formats(source_format: str, step: int) -> None:
    buffer = io.BytesIO()
    lossless = {"lossless": True} if source_format == "webp" else {}
    PillowImage.fromarray(scenes.picture(WIDTH, HEIGHT)).save(buffer, source_format.upper(), **lossless)
    data = buffer.getvalue()
    description = scenes.inspected(SourceFormat(source_format), data)
    assert_seamless(data, description, step, from_file=True)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("tile", [None, 200])
def test_jp2(step: int, tile: int | None) -> None:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"num_resolutions": 4}
    if tile:
        options["tile_size"] = (tile, tile)
    PillowImage.fromarray(scenes.noise(WIDTH, HEIGHT)).save(buffer, "JPEG2000", **options)
    description = scenes.jp2_description(WIDTH, HEIGHT, 3)
    assert_seamless(buffer.getvalue(), description, step, from_file=True)


@pytest.mark.parametrize("region", [(0, 0, 128, 128), (200, 100, 128, 128), (331, 203, 128, 128)])
def test_enlarged_tiles_continue_each_other(region: tuple[int, int, int, int]) -> None:
    data, description = tiff("tiles", scenes.noise(WIDTH, HEIGHT))
    x, y, width, height = region
    whole = scenes.rendered(data, description, region, (2 * width, 2 * height))
    for dx, dy in ((0, 0), (64, 0), (0, 64), (64, 64)):
        part = scenes.rendered(data, description, (x + dx, y + dy, 64, 64), (128, 128))
        assert np.array_equal(part, whole[2 * dy : 2 * dy + 128, 2 * dx : 2 * dx + 128])
