import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.iiif.capabilities import Capabilities
from images.iiif.geometry import Size
from images.iiif.limits import Limits
from images.iiif.request import parse_image_request, resolve
from images.iiif.tiles import TileSet, level_sizes, scale_factors, tile_regions, tile_set
from images.iiif.version import ApiVersion
from tests.images.iiif import strategies

SMALL = st.builds(Size, st.integers(1, 300), st.integers(1, 300))
TILES = st.builds(Size, st.integers(8, 128), st.integers(8, 128))


@pytest.mark.parametrize(
    ("full", "tile", "factors"),
    [
        (Size(1, 1), Size(256, 256), (1,)),
        (Size(256, 256), Size(256, 256), (1,)),
        (Size(257, 1), Size(256, 256), (1, 2)),
        (Size(6000, 4000), Size(512, 512), (1, 2, 4, 8, 16)),
        (Size(100, 4097), Size(1024, 512), (1, 2, 4, 8, 16)),
    ],
)
def test_scale_factors(full: Size, tile: Size, factors: tuple[int, ...]) -> None:
    assert scale_factors(full, tile) == factors


def test_level_sizes_are_rounded_up_and_ascend() -> None:
    full = Size(6001, 4003)
    assert level_sizes(full, (1, 2, 4)) == (Size(1501, 1001), Size(3001, 2002), full)
    assert level_sizes(full, (1, 2, 4), Limits(2000)) == (Size(1501, 1001),)


def test_tiles_are_halved_until_they_keep_the_limits() -> None:
    full = Size(6000, 4000)
    assert tile_set(full, Size(512, 512)) == TileSet(Size(512, 512), (1, 2, 4, 8, 16))
    assert tile_set(full, Size(512, 512), Limits(300)).size == Size(256, 256)
    assert tile_set(full, Size(1024, 512), Limits(max_area=200_000)) == TileSet(Size(512, 256), (1, 2, 4, 8, 16))
    assert tile_set(full, Size(8, 8), Limits(max_area=1)).size == Size(1, 1)


@given(SMALL, TILES)
def test_tiles_cover_the_image_exactly(full: Size, tile: Size) -> None:
    for factor in scale_factors(full, tile):
        area, rows = 0, set()
        for region, size in tile_regions(full, tile, factor):
            area += region.size.area
            rows.add((region.y, region.height))
            assert (region.x % (tile.width * factor), region.y % (tile.height * factor)) == (0, 0)
            assert region.x + region.width <= full.width
            assert region.y + region.height <= full.height
            assert size.width <= tile.width
            assert size.height <= tile.height
        assert area == full.area
        assert sum(height for _, height in rows) == full.height


@given(strategies.sizes, TILES, st.data())
def test_tiles_are_answered_in_every_spelling(full: Size, tile: Size, data: st.DataObject) -> None:
    """`w,h` by clients of 3.0, `w,` by those of 2.1; a strip whose width becomes 1 is ambiguous for `w,` alone."""
    everything = Capabilities.everything()
    factor = data.draw(st.sampled_from(scale_factors(full, tile)))
    column = data.draw(st.integers(0, (full.width - 1) // (tile.width * factor)))
    row = data.draw(st.integers(0, (full.height - 1) // (tile.height * factor)))
    x, y = column * tile.width * factor, row * tile.height * factor
    width, height = min(tile.width * factor, full.width - x), min(tile.height * factor, full.height - y)
    size = Size(-(-width // factor), -(-height // factor))
    for version in ApiVersion:
        spellings = [f"{size.width},{size.height}"] + [f"{size.width},"] * (size.width > 1)
        for spelling in spellings + [f",{size.height}"] * (size.height > 1):
            request = parse_image_request(f"{x},{y},{width},{height}", spelling, "0", "default.jpg", version)
            assert resolve(request, full, everything).size == size


@given(strategies.sizes, TILES, strategies.limits)
def test_advertised_sizes_are_answered(full: Size, tile: Size, limits: Limits) -> None:
    tiles = tile_set(full, tile, limits)
    for size in level_sizes(full, tiles.scale_factors, limits):
        for version in ApiVersion:
            request = parse_image_request("full", f"{size.width},{size.height}", "0", "default.jpg", version)
            assert resolve(request, full, Capabilities.everything(limits)).size == size
