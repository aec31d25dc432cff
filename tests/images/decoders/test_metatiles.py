"""Which tiles are decoded together: always the one that was asked for, first, and only where others will be wanted."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from images.decoders.metatiles import EndGrid, Grid, GridTile, Screen, ScreenGrid, Seen, choose
from images.iiif.geometry import Region, Size
from images.iiif.tiles import tile_regions

FULL = Size(3000, 2100)
GRID = Grid(FULL, Size(256, 256), 4)

sizes = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))
tiles = st.sampled_from([128, 256, 500, 512]).map(lambda side: Size(side, side))
steps = st.sampled_from([1, 2, 4, 8, 16])


@given(sizes, tiles, steps)
def test_every_tile_of_the_grid_is_found(full: Size, tile: Size, step: int) -> None:
    grid = Grid(full, tile, 4)
    for region, size in list(tile_regions(full, tile, step))[:200]:
        found = grid.find(region, size)
        assert found is not None
        assert grid.extent([found]) == (region, size)


def test_other_requests_are_no_tiles() -> None:
    for region, size in [
        (Region(0, 0, 256, 256), Size(128, 128)),
        (Region(1, 0, 256, 256), Size(256, 256)),
        (Region(0, 0, 3000, 2100), Size(750, 525)),
        (Region(0, 0, 512, 512), Size(256, 255)),
        (Region(0, 0, 768, 768), Size(256, 256)),
        (Region(0, 0, 200, 200), Size(200, 200)),
    ]:
        assert GRID.find(region, size) is None, region


def test_the_last_pixels_belong_to_the_scale_factor_that_they_are_asked_for_at() -> None:
    grid = Grid(Size(1026, 1026), Size(256, 256), 4)
    metatile = grid.metatile(GridTile(4, 0, 0))
    assert metatile == (GridTile(4, 0, 0), GridTile(4, 1, 0), GridTile(4, 0, 1))
    assert grid.find(*grid.extent([GridTile(4, 1, 1)])) == GridTile(2, 2, 2)


@given(sizes, tiles, steps, st.data())
def test_cuts_of_a_metatile_are_its_tiles(full: Size, tile: Size, step: int, drawn: st.DataObject) -> None:
    grid = Grid(full, tile, 4)
    columns, rows = -(-full.width // (tile.width * step)), -(-full.height // (tile.height * step))
    column, row = drawn.draw(st.integers(0, columns - 1)), drawn.draw(st.integers(0, rows - 1))
    metatile = grid.metatile(GridTile(step, column, row))
    assume(metatile)
    assert len(set(metatile)) == len(metatile) <= 16
    region, size = grid.extent(metatile)
    covered = 0
    for each in metatile:
        cut = grid.cut(each, region)
        own_region, own_size = grid.extent([each])
        assert (cut.width, cut.height) == (own_size.width, own_size.height)
        assert (region.x + cut.x * step, region.y + cut.y * step) == (own_region.x, own_region.y)
        assert cut.x + cut.width <= size.width
        assert cut.y + cut.height <= size.height
        covered += cut.width * cut.height
    assert covered <= size.width * size.height
    assert covered == size.width * size.height or len(metatile) < 16


def seen(*recent: GridTile, middle: GridTile, grid: Grid = GRID) -> Seen:
    return Seen(recent, grid.screen([middle]))


def test_a_tile_that_nobody_asked_around_is_made_alone() -> None:
    asked = GridTile(1, 5, 5)
    for recent in (
        [],
        [asked],
        [GridTile(1, 9, 5)],
        [GridTile(2, 0, 0), GridTile(1, 0, 0)],
        [GridTile(4, 1, 1)],
        [GridTile(2, 5, 5)],
        [GridTile(2, 2, 2)],  # above, but nothing beside that
        [GridTile(1, 3, 5)],  # one neighbour, of another metatile
    ):
        assert choose(GRID, asked, seen(*recent, middle=asked)) == (asked,), recent


def test_a_tile_whose_neighbours_are_looked_at_is_made_with_its_metatile() -> None:
    asked = GridTile(1, 5, 5)
    for recent in (
        [GridTile(1, 7, 7)],
        [GridTile(2, 2, 2), GridTile(2, 3, 2)],
        [GridTile(2, 2, 2), GridTile(4, 0, 0), GridTile(2, 1, 1)],
    ):
        chosen = choose(GRID, asked, seen(*recent, middle=asked))
        assert chosen[0] == asked
        assert set(chosen) == set(GRID.metatile(asked))
    beside = GridTile(1, 8, 5)
    neighbours = [GridTile(1, 7, 5), GridTile(1, 7, 4)]
    assert set(choose(GRID, beside, seen(*neighbours, middle=beside))) == set(GRID.metatile(beside))


def test_a_viewer_begins_with_the_one_tile_that_shows_all() -> None:
    asked = GridTile(8, 1, 1)
    assert len(choose(GRID, asked, seen(GridTile(16, 0, 0), middle=asked))) == 4


def test_what_is_not_on_the_screen_is_not_made() -> None:
    middle, asked = GridTile(1, 0, 0), GridTile(1, 4, 3)
    chosen = choose(GRID, asked, seen(GridTile(1, 3, 3), GridTile(1, 3, 2), middle=middle))
    assert set(chosen) == {GridTile(1, 4, row) for row in range(4)}


@given(
    st.integers(0, 11),
    st.integers(0, 8),
    st.frozensets(st.builds(GridTile, st.just(1), st.integers(0, 11), st.integers(0, 8))),
)
def test_what_is_taken_is_not_made_again(column: int, row: int, taken: frozenset[GridTile]) -> None:
    asked = GridTile(1, column, row)
    around = seen(asked.parent(), GridTile(4, 0, 0), *taken, middle=asked)
    chosen = choose(GRID, asked, around, taken.__contains__)
    assert chosen[0] == asked
    assert len(set(chosen)) == len(chosen)
    assert not taken & set(chosen[1:])
    assert set(chosen) <= set(GRID.metatile(asked))


@given(sizes, tiles, steps, st.integers(2, 20), st.data())
def test_tiles_at_the_ends_are_those_that_the_ends_cut(
    full: Size, tile: Size, step: int, across: int, drawn: st.DataObject
) -> None:
    grid, ends = Grid(full, tile, across), EndGrid(full, tile, across)
    columns, rows = -(-full.width // (tile.width * step)), -(-full.height // (tile.height * step))
    assume(columns * rows <= 3000)
    asked = GridTile(step, drawn.draw(st.integers(0, columns - 1)), drawn.draw(st.integers(0, rows - 1)))
    found = ends.metatile(asked)
    assert len(set(found)) == len(found)
    cut = [
        each
        for each in grid.metatile(asked)
        if grid.extent([each])[0].size != Size(tile.width * step, tile.height * step)
    ]
    assert set(found) == set(cut)


def test_what_lies_in_one_metatile_is_together() -> None:
    for tile in GRID.metatile(GridTile(2, 1, 2)):
        assert GRID.are_together(tile, GridTile(2, 3, 3))
    for tile in (GridTile(2, 4, 3), GridTile(2, 3, 4), GridTile(1, 3, 3)):
        assert not GRID.are_together(tile, GridTile(2, 3, 3))


@st.composite
def screens(draw: st.DrawFn) -> tuple[ScreenGrid, Screen, set[GridTile]]:
    """A grid, a screen, and the tiles on that screen."""
    step = draw(steps)
    grid = ScreenGrid(draw(sizes), draw(tiles), draw(st.integers(2, 8)))
    columns, rows = -(-grid.full.width // (grid.tile.width * step)), -(-grid.full.height // (grid.tile.height * step))
    positions = st.builds(GridTile, st.just(step), st.integers(0, columns - 1), st.integers(0, rows - 1))
    screen = grid.screen(draw(st.lists(positions, min_size=1, max_size=6)))
    all_tiles = (GridTile(step, column, row) for column in range(columns) for row in range(rows))
    shown = {each for each in all_tiles if screen.shows(each) and grid.find(*grid.extent([each])) == each}
    return grid, screen, shown


@given(screens())
def test_the_halves_of_a_screen_are_all_of_it_and_share_nothing(
    drawn: tuple[ScreenGrid, Screen, set[GridTile]],
) -> None:
    grid, screen, shown = drawn
    across = grid.across
    columns, rows = (middle_of(each, 2 * across + 1) for each in (screen.columns, screen.rows))
    inside = {each for each in shown if each.column in columns and each.row in rows}
    halves = {frozenset(grid.company(asked, screen)) for asked in inside}
    assert len(halves) <= 2
    assert sum(map(len, halves)) == len(inside)
    assert set().union(*halves) == inside
    widths, heights = {each.column for each in inside}, {each.row for each in inside}
    area = len(widths) * len(heights)
    if area <= across**2 and area * grid.tile.area <= 1024**2:
        assert len(halves) <= 1
    else:
        highest = across + 1 + across // 4  # since halves end where bands do
        assert all(len(half) <= (2 * across + 1) * highest for half in halves)


def middle_of(positions: range, most: int) -> range:
    while len(positions) > most:
        positions = positions[:-1]
        if len(positions) > most:
            positions = positions[1:]
    return positions


@given(screens())
def test_every_tile_on_a_screen_is_in_company(drawn: tuple[ScreenGrid, Screen, set[GridTile]]) -> None:
    grid, screen, shown = drawn
    for asked in shown:
        assert asked in grid.company(asked, screen)


def test_a_screen_lies_around_the_middle_of_its_first_tiles_and_holds_them() -> None:
    grid = ScreenGrid(Size(12000, 9000), Size(256, 256), 4)
    assert grid.screen([GridTile(1, 20, 14)]) == Screen(1, range(16, 25), range(11, 18))
    four = [GridTile(1, column, row) for column in (20, 21) for row in (14, 15)]
    assert grid.screen(four) == Screen(1, range(17, 25), range(12, 18))
    assert grid.screen([GridTile(1, 0, 0), GridTile(1, 1, 0)]) == Screen(1, range(5), range(4))
    assert grid.screen([GridTile(8, 5, 4)]) == Screen(8, range(1, 6), range(1, 5)), "what there is"
    assert grid.screen([GridTile(2, 9, 9)]).columns == range(5, 14)
    wide, high = {}, {}
    for side in (512, 1024, 2048):
        screen = ScreenGrid(Size(50_000, 50_000), Size(side, side), 4).screen([GridTile(1, 9, 9)])
        wide[side], high[side] = len(screen.columns), len(screen.rows)
    assert (wide, high) == ({512: 5, 1024: 3, 2048: 3}, {512: 5, 1024: 3, 2048: 3}), (
        "wherever its middle lies in the tile"
    )
    all_at_once = [GridTile(1, column, row) for column in range(4, 20) for row in range(3, 12)]
    assert grid.screen(all_at_once) == Screen(1, range(4, 20), range(3, 12))


def test_a_screen_is_halved_beside_its_middle_where_a_band_begins() -> None:
    grid = ScreenGrid(Size(12000, 9000), Size(256, 256), 4)
    screen = grid.screen([GridTile(1, 20, 14)])
    upper, lower = grid.company(GridTile(1, 20, 13), screen), grid.company(GridTile(1, 20, 14), screen)
    assert {tile.column for tile in upper} == {tile.column for tile in lower} == set(range(16, 25))
    assert {tile.row for tile in upper} == {11, 12, 13}
    assert {tile.row for tile in lower} == {14, 15, 16, 17}
    assert set(grid.company(GridTile(1, 16, 17), screen)) == set(lower)


@pytest.mark.parametrize("side", [256, 512])
@pytest.mark.parametrize("height", [1791, 1792, 3583, 3584, 7680])
def test_halves_end_where_the_image_does(side: int, height: int) -> None:
    grid = ScreenGrid(Size(9000, height), Size(side, side), 4096 // side)
    rows = -(-height // side)
    for row in range(rows):
        asked = GridTile(1, 3, row)
        assert {tile.row for tile in grid.company(asked, grid.screen([asked]))} <= set(range(rows))


def test_of_halves_too_only_what_is_not_taken_is_made() -> None:
    grid = ScreenGrid(Size(12000, 9000), Size(256, 256), 4)
    asked = GridTile(1, 20, 14)
    around = seen(GridTile(1, 21, 14), GridTile(1, 22, 14), middle=asked, grid=grid)
    chosen = choose(grid, asked, around, lambda tile: tile.column > 18)
    assert chosen[0] == asked
    assert set(chosen[1:]) == {GridTile(1, column, row) for column in (16, 17, 18) for row in range(14, 18)}
    assert choose(grid, asked, seen(middle=asked, grid=grid)) == (asked,)


def test_halves_of_one_screen_lie_in_cells_of_their_own() -> None:
    grid = ScreenGrid(Size(12000, 9000), Size(256, 256), 4)
    middle = GridTile(1, 20, 14)
    screen = grid.screen([middle])
    cells = [{grid.cell(tile) for tile in grid.company(asked, screen)} for asked in (middle, GridTile(1, 20, 13))]
    assert not cells[0] & cells[1]
    assert cells[0] == {GridTile(1, 16, 14), GridTile(1, 16, 16)}
