"""A stored tile is the answer only where it holds, to the bit, the pixels that would have been decoded for it."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from images.decoders.options import EncodeOptions
from images.decoders.pass_through import PassThrough, find_pass_through
from images.decoders.plan import plan
from images.decoders.render import RenderRequest
from images.decoders.resample import Method
from images.iiif.geometry import Region, Size
from images.indexes.description import SourceDescription
from images.indexes.errors import IndexingError
from images.indexes.tiff.index import ColourProfile, TiffIndex
from images.indexes.tiff.splice import splice
from tests.images.decoders import scenes
from tests.images.indexes.reading import index_tiff
from tests.images.indexes.tiff.jpeg import jpeg_tiff

WIDTH, HEIGHT = 1150, 901
PICTURE = np.clip(scenes.picture(WIDTH, HEIGHT).astype(int) + scenes.noise(WIDTH, HEIGHT) // 8, 0, 255).astype(np.uint8)


def asked(region: tuple[int, int, int, int], size: tuple[int, int], **other: Any) -> RenderRequest:
    options = EncodeOptions(**other.pop("options", {}))
    values = {"mirrored": False, "degrees": "0", "quality": "default", "format": "jpg", **other}
    return RenderRequest(Region(*region), Size(*size), options=options, **values)


def grid(description: SourceDescription, index: TiffIndex) -> Iterator[RenderRequest]:
    """As a viewer asks for every tile of every level."""
    for level in index.levels:
        step = round(description.width / level.width)
        for y in range(0, description.height, step * level.piece_height):
            for x in range(0, description.width, step * level.piece_width):
                width = min(step * level.piece_width, description.width - x)
                height = min(step * level.piece_height, description.height - y)
                yield asked((x, y, width, height), (-(-width // step), -(-height // step)))


def stored_pixels(data: bytes, index: TiffIndex, found: PassThrough) -> scenes.Pixels:
    """As libvips decodes them of the level."""
    level = index.levels[found.level]
    options = {} if level.subifd is None else {"subifd": level.subifd}
    image = pyvips.Image.tiffload_buffer(data, page=level.page, **options)
    shown = found.frame.shown
    origin = (found.column * level.piece_width, found.row * level.piece_height)
    pixels = image.crop(*origin, shown.width, shown.height).numpy()
    return np.asarray(pixels).reshape(shown.height, shown.width, level.samples_per_pixel)


def shown_pixels(jpeg: bytes, components: int) -> scenes.Pixels:
    with PillowImage.open(io.BytesIO(jpeg)) as image:
        pixels = np.asarray(image)
    by_vips = pyvips.Image.jpegload_buffer(jpeg, fail_on="error").numpy()
    assert np.array_equal(np.squeeze(by_vips), pixels)
    return pixels.reshape(*pixels.shape[:2], components)


def check_every_tile(data: bytes) -> Counter[str]:
    description, index = index_tiff(data)
    counts: Counter[str] = Counter()
    for request in grid(description, index):
        found = find_pass_through(index, description, request)
        if found is None:
            counts["planned"] += 1
            continue
        (place,) = found.ranges
        try:
            jpeg = splice(found.jpeg_tables, data[place.start : place.stop], found.frame)
        except IndexingError:
            assert found.frame.shown != found.frame.stored
            counts["refused"] += 1
            continue
        expected = stored_pixels(data, index, found)
        assert np.array_equal(shown_pixels(jpeg, found.frame.components), expected), (found.level, found.column)
        counts["spliced"] += 1
    return counts


@pytest.mark.parametrize("tile", [256, 512])
@pytest.mark.parametrize("kind", ["444", "422", "420", "rgb", "gray"])
def test_each_tile_has_the_pixels_that_libtiff_decodes(kind: str, tile: int) -> None:
    counts = check_every_tile(jpeg_tiff(PICTURE, tile, kind, levels=3))
    assert counts["planned"] == 0  # these levels are rounded up as IIIF rounds
    assert counts["spliced"] >= 12 if tile == 256 else 2
    assert counts["refused"] > 0


@pytest.mark.parametrize(
    "options",
    [
        {"Q": 80},
        {"Q": 95},
        {"Q": 80, "rgbjpeg": True},
        {"Q": 95, "rgbjpeg": True, "bigtiff": True},
        {"Q": 80, "subifd": True, "bigtiff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("tile", [128, 256])
def test_pyramids_that_libvips_writes(options: dict[str, Any], tile: int) -> None:
    image = scenes.vips_image(PICTURE, "srgb")
    written = {"compression": "jpeg", "tile": True, "pyramid": True, "tile_width": tile, "tile_height": tile, **options}
    assert check_every_tile(image.tiffsave_buffer(**written))["spliced"] >= 12
    gray = image.colourspace("b-w")
    assert check_every_tile(gray.tiffsave_buffer(**{**written, "rgbjpeg": False}))["spliced"] >= 12


def test_strips_are_as_wide_as_the_image() -> None:
    image = scenes.vips_image(PICTURE, "srgb")
    assert check_every_tile(image.tiffsave_buffer(compression="jpeg"))["spliced"] == -(-HEIGHT // 128)


@pytest.mark.corpus
def test_a_slide(corpus: Path) -> None:
    assert check_every_tile((corpus / "formats" / "CMU-1-Small-Region.svs").read_bytes())["spliced"] == 117


DATA = jpeg_tiff(PICTURE[:512, :768], 128, "444", levels=3)
DESCRIPTION, INDEX = index_tiff(DATA)
TILE = asked((128, 256, 128, 128), (128, 128))


def test_a_tile_and_where_it_lies() -> None:
    found = find_pass_through(INDEX, DESCRIPTION, asked((256, 0, 256, 256), (128, 128)))
    assert found is not None
    assert (found.level, found.column, found.row) == (1, 1, 0)
    assert found.ranges == (INDEX.levels[1].piece_range(1, 0),)


@pytest.mark.parametrize(
    "request_",
    [
        asked((129, 256, 128, 128), (128, 128)),
        asked((128, 256, 127, 128), (127, 128)),
        asked((128, 256, 256, 128), (256, 128)),
        asked((128, 256, 128, 128), (64, 64)),
        asked((128, 256, 128, 128), (256, 256)),
        asked((128, 256, 256, 256), (128, 128)),
        replace(TILE, quality="gray"),
        replace(TILE, quality="bitonal"),
        replace(TILE, format="png"),
        replace(TILE, degrees="90"),
        replace(TILE, degrees="0.5"),
        replace(TILE, mirrored=True),
    ],
    ids=str,
)
def test_other_requests_are_decoded(request_: RenderRequest) -> None:
    assert find_pass_through(INDEX, DESCRIPTION, TILE) is not None
    assert find_pass_through(INDEX, DESCRIPTION, request_) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"compression": 8},
        {"photometric": 0},
        {"photometric": 5, "samples_per_pixel": 4},
        {"samples_per_pixel": 4},
        {"bits_per_sample": 12},
        {"is_contiguous": False},
        {"colour_profile": ColourProfile.OTHER},
    ],
    ids=str,
)
def test_other_sources_are_decoded(facts: dict[str, Any]) -> None:
    index = TiffIndex(tuple(replace(level, **facts) for level in INDEX.levels))
    assert find_pass_through(index, DESCRIPTION, TILE) is None


def test_turned_and_transparent_sources_are_decoded() -> None:
    assert find_pass_through(INDEX, replace(DESCRIPTION, orientation=2), TILE) is None
    assert find_pass_through(INDEX, replace(DESCRIPTION, has_alpha=True), TILE) is None


def test_a_profile_of_srgb_changes_nothing_unless_it_is_to_be_kept() -> None:
    index = TiffIndex(tuple(replace(level, colour_profile=ColourProfile.SRGB) for level in INDEX.levels))
    assert find_pass_through(index, DESCRIPTION, TILE) is not None
    keeping = replace(TILE, options=EncodeOptions(icc="keep"))
    assert find_pass_through(index, DESCRIPTION, keeping) is None
    assert find_pass_through(INDEX, DESCRIPTION, keeping) is not None


def test_a_piece_too_long_to_be_held_is_decoded() -> None:
    level = INDEX.levels[0]
    long = replace(level, byte_counts=type(level.byte_counts)("Q", [9 * 2**20] * len(level.byte_counts)))
    assert find_pass_through(TiffIndex((long, *INDEX.levels[1:])), DESCRIPTION, TILE) is None


@st.composite
def pyramids(draw: st.DrawFn) -> tuple[SourceDescription, TiffIndex]:
    """Levels as writers make them: rounded down, up, or off, and some left out."""
    width, height = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    tile = draw(st.sampled_from([16, 32, 48, 128]))
    many = INDEX.levels[0].offsets * 200
    full = replace(INDEX.levels[0], piece_width=tile, piece_height=tile, offsets=many, byte_counts=many)
    levels = [replace(full, width=width, height=height)]
    for factor in draw(st.lists(st.integers(2, 9), max_size=4)):
        sides = [max(1, -(-side // factor) - draw(st.integers(0, 1))) for side in (width, height)]
        levels.append(replace(levels[0], width=sides[0], height=sides[1], page=len(levels)))
    described = tuple(
        replace(
            DESCRIPTION.levels[0], width=one.width, height=one.height, page=one.page, tile_width=tile, tile_height=tile
        )
        for one in levels
    )
    return replace(DESCRIPTION, width=width, height=height, levels=described), TiffIndex(tuple(levels))


@given(st.data())
def test_what_passes_through_is_what_would_have_been_copied(data: st.DataObject) -> None:
    description, index = data.draw(pyramids())
    tile = index.levels[0].piece_width
    step = data.draw(st.integers(1, 10))
    x = data.draw(st.integers(0, description.width // (tile * step))) * tile * step
    y = data.draw(st.integers(0, description.height // (tile * step))) * tile * step
    width = min(tile * step, description.width - x)
    height = min(tile * step, description.height - y)
    if not width or not height:
        return
    request = asked((x, y, width, height), (-(-width // step), -(-height // step)))
    found = find_pass_through(index, description, request)
    planned = plan(description, request)
    copies = all(
        axis.method is Method.COPY and not axis.before and axis.after <= 1  # rounded down: the last pixel is repeated
        for axis in (planned.horizontal, planned.vertical)
    )
    is_whole_piece = copies and (
        planned.horizontal.start % tile == planned.vertical.start % tile == 0
        and planned.horizontal.length == min(tile, planned.level.width - planned.horizontal.start)
        and planned.vertical.length == min(tile, planned.level.height - planned.vertical.start)
    )
    assert (found is not None) == is_whole_piece
    if found is not None:
        level = index.levels[found.level]
        assert (level.page, level.width, level.height) == (
            planned.level.page,
            planned.level.width,
            planned.level.height,
        )
        assert (found.column * tile, found.row * tile) == (planned.horizontal.start, planned.vertical.start)
        assert found.frame.shown == Size(planned.horizontal.length, planned.vertical.length)
        assert found.answer == request.size
