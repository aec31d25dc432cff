"""Traces ask for what viewers ask for."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.traces import VIEWPORT, Pyramid, Tile, View, first_tiles, random_tiles, session, visit

PYRAMID = Pyramid(12000, 9000)
sizes = st.integers(min_value=1, max_value=40_000)


def test_the_session_has_the_tiles_of_the_published_figures() -> None:
    batches = session(PYRAMID, visit(PYRAMID))
    assert sum(map(len, batches)) == 221


def test_no_tile_is_asked_for_twice() -> None:
    tiles = [tile for batch in session(PYRAMID, visit(PYRAMID)) for tile in batch]
    assert len(set(tiles)) == len(tiles)


def test_a_view_of_everything_loads_all_levels_up_to_two_pixels_a_pixel_of_the_screen() -> None:
    home = min(VIEWPORT[0] / PYRAMID.width, VIEWPORT[1] / PYRAMID.height)
    (batch,) = session(PYRAMID, [View(0.5, 0.5, home)])
    assert list(dict.fromkeys(tile.factor for tile in batch)) == [64, 32, 16, 8]
    assert len([tile for tile in batch if tile.factor == 8]) == PYRAMID.columns(8) * PYRAMID.rows(8)


def test_of_a_level_the_tile_in_the_middle_comes_first() -> None:
    home = min(VIEWPORT[0] / PYRAMID.width, VIEWPORT[1] / PYRAMID.height)
    (batch,) = session(PYRAMID, [View(0.5, 0.5, home)])
    finest = [tile for tile in batch if tile.factor == 8]
    assert finest[0] in {Tile(8, 2, 2), Tile(8, 3, 2)}
    assert {finest[-1].column, finest[-1].row} <= {0, 4, 5}


def test_edge_tiles_are_clipped_and_the_last_level_is_full() -> None:
    assert Tile(1, 46, 35).path(PYRAMID) == "11776,8960,224,40/224,40/0/default.jpg"
    assert Tile(64, 0, 0).path(PYRAMID) == "full/188,141/0/default.jpg"
    assert Tile(2, 0, 0).path(PYRAMID, width_only=True) == "0,0,512,512/256,/0/default.jpg"


@given(width=sizes, height=sizes)
def test_tiles_of_a_level_cover_the_image_once(width: int, height: int) -> None:
    pyramid = Pyramid(width, height)
    for factor in pyramid.scale_factors[-3:]:
        widths = 0
        for column in range(pyramid.columns(factor)):
            region = Tile(factor, column, 0).path(pyramid).split("/")[0]
            widths += width if region == "full" else int(region.split(",")[2])
        assert widths == width


def test_random_tiles_have_no_neighbours() -> None:
    tiles = random_tiles(PYRAMID, 60, seed=1)
    assert len(tiles) == 60
    metatiles = {(tile.factor, tile.column // 4, tile.row // 4) for tile in tiles}
    assert len(metatiles) == len(tiles)
    assert not any(one.touches(other) for one in tiles for other in tiles if one != other)


def test_first_tiles_are_whole() -> None:
    for tile in first_tiles(PYRAMID, 40, seed=1):
        assert tile.path(PYRAMID).split("/")[1] == "256,256"
