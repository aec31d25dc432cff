"""Which pages are the image again, smaller: and which only look like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.indexes.description import Level
from images.indexes.limits import SourceLimits
from tests.images.indexes.reading import read_tiff
from tests.images.indexes.tiff.writer import ASCII, LONG, PageSpec, Tag, write_tiff

FULL = (1_001, 777)
_LARGE = (1 << 15, 1 << 15)
_ROOMY = SourceLimits(max_pixels_tiled=1 << 50, max_tile_pixels=1 << 40)


def _sizes(*others: PageSpec, **full: object) -> list[tuple[int, int]]:
    found = read_tiff(write_tiff(PageSpec(*FULL, **full), *others))  # type: ignore[arg-type]
    return [(level.width, level.height) for level in found.levels]


@pytest.mark.parametrize(
    ("size", "subfile_type", "is_level"),
    [
        ((500, 388), 0, True),  # rounded down
        ((501, 389), 0, True),  # rounded up
        ((500, 389), 0, True),
        ((502, 388), 0, False),
        ((250, 194), 0, True),
        ((251, 195), 0, True),
        ((63, 49), 0, True),  # a sixteenth
        ((334, 259), 0, False),  # a third, and nobody said so
        ((334, 259), 1, True),
        ((500, 194), 0, False),  # a half and a quarter
        ((500, 194), 1, False),
        ((387, 463), 1, False),  # a label
        ((500, 388), 4, False),  # a mask
        ((500, 388), 5, False),  # a reduced mask
        ((500, 388), 2, True),  # a page of a document, and of its pyramid
        ((1_001, 777), 1, False),
        ((2_002, 1_554), 1, False),
    ],
)
def test_what_is_a_level(size: tuple[int, int], subfile_type: int, is_level: bool) -> None:
    assert _sizes(PageSpec(*size, subfile_type=subfile_type)) == [FULL, size] if is_level else [FULL]


@pytest.mark.parametrize(
    "other",
    [PageSpec(500, 388, samples=1, photometric=1), PageSpec(500, 388, bits=16), PageSpec(500, 388, photometric=8)],
)
def test_other_pixels_are_no_level(other: PageSpec) -> None:
    assert _sizes(other) == [FULL]


def test_ycbcr_levels_of_an_rgb_image() -> None:
    assert _sizes(PageSpec(500, 388, photometric=6)) == [FULL, (500, 388)]


def test_levels_in_subifds() -> None:
    page = PageSpec(*FULL, subifds=[PageSpec(500, 388, tile=(32, 32)), PageSpec(250, 194)])
    assert read_tiff(write_tiff(page, PageSpec(300, 300))).levels == (
        Level(*FULL, 16, 16),
        Level(500, 388, 32, 32, page=0, subifd=0),
        Level(250, 194, 16, 16, page=0, subifd=1),
    )


def test_levels_are_sorted_and_of_each_size_one() -> None:
    others = [PageSpec(125, 97), PageSpec(500, 388), PageSpec(500, 388), PageSpec(250, 194, tile=None)]
    found = read_tiff(write_tiff(PageSpec(*FULL), *others)).levels
    assert [(level.width, level.page, level.tile_width) for level in found] == [
        (1_001, 0, 16),
        (500, 2, 16),
        (250, 4, None),
        (125, 1, 16),
    ]


def test_slide_with_label_macro_and_thumbnail() -> None:
    """As Aperio writes them: the thumbnail in strips between the levels, label and macro at the end."""
    name = {270: Tag(ASCII, b"Aperio Image Library v11.2.1\x00")}
    others = [
        PageSpec(500, 388, tile=None),
        PageSpec(250, 194),
        PageSpec(387, 463, tile=None, subfile_type=1),
        PageSpec(1_280, 431, tile=None, subfile_type=9),
    ]
    assert _sizes(*others, tags=name) == [FULL, (250, 194)]


def test_directories_without_an_image_are_passed_over() -> None:
    assert _sizes(PageSpec(tags={256: None, 257: None}), PageSpec(500, 388)) == [FULL, (500, 388)]


def test_damaged_level_is_damage_but_a_damaged_other_page_is_not() -> None:
    beyond = {324: Tag(LONG, [1 << 31] * 800)}
    assert _sizes(PageSpec(300, 300, tags=beyond)) == [FULL]
    with pytest.raises(Exception, match="Tile 1 of page 2 lies beyond the end"):
        _sizes(PageSpec(500, 388, tags=beyond))


@given(
    width=st.integers(64, 1 << 20),
    height=st.integers(64, 1 << 20),
    exponent=st.integers(1, 6),
    up=st.tuples(st.booleans(), st.booleans()),
)
def test_every_rounding_of_a_power_of_two_is_a_level(
    width: int, height: int, exponent: int, up: tuple[bool, bool]
) -> None:
    scaled = [
        -(-side >> exponent) if ceil else side >> exponent for side, ceil in zip((width, height), up, strict=True)
    ]
    pages = [PageSpec(width, height, tile=_LARGE), PageSpec(scaled[0], scaled[1], tile=_LARGE)]
    levels = read_tiff(write_tiff(*pages), _ROOMY).levels
    assert [(level.width, level.height) for level in levels] == [(width, height), tuple(scaled)]
