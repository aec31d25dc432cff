"""OpenSeadragon shows every kind of source through both versions of the API, and nobody sees where tiles meet."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import WINDOW
from tests.browser.mosaic import MosaicError, assert_same
from tests.browser.pictures import HEIGHT, WIDTH, Pixels, decoded, read_level
from tests.browser.visits import Visit, canvas_pixels, wait_for_picture
from tests.support.server import ProductServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.usefixtures("viewer_script"),
    pytest.mark.parametrize("api", [2, 3]),
    pytest.mark.parametrize("name", ["picture.jp2", "picture.tif", "picture.jpg"]),
]

# What the viewer would ask for to show all of every level: level, side of a tile, places and addresses.
LEVELS = """() => {
    const source = OpenSeadragon.getViewer("viewer").world.getItemAt(0).source;
    const levels = [];
    for (let level = source.minLevel; level <= source.maxLevel; level++) {
        const count = source.getNumTiles(level);
        const tiles = [];
        for (let y = 0; y < count.y; y++)
            for (let x = 0; x < count.x; x++) tiles.push([x, y, source.getTileUrl(level, x, y)]);
        levels.push({ factor: 1 / source.getLevelScale(level), tile: source.getTileWidth(level), tiles });
    }
    return levels;
}"""


def test_every_level_is_seamless(visit: Visit, server: ProductServer, sources: Path, name: str, api: int) -> None:
    page = visit.open(f"/view/{name}?api={api}")
    wait_for_picture(page)
    levels = page.evaluate(LEVELS)
    assert len(levels) >= 3
    for level in levels:
        factor, tile = round(level["factor"]), level["tile"]
        assert all(f"/iiif/{api}/" in url for _x, _y, url in level["tiles"])
        mosaic, reference = stitch(server, level), read_level(sources / name, factor)
        assert mosaic.shape == reference.shape
        if len(level["tiles"]) == 1:
            # It is made from the small raster, in which the image's last pixels, repeated by the last line, are mixed.
            mosaic, reference = mosaic[:-1, :-1], reference[:-1, :-1]
        assert_same(mosaic, reference, tile)
        if api == 3:
            assert_flaws_are_noticed(mosaic, reference, tile)
    visit.assert_clean()


def test_what_is_drawn_is_the_source(visit: Visit, stage: tuple[int, int], sources: Path, name: str, api: int) -> None:
    """Pixel for pixel, where tiles meet in the middle and where the picture ends.

    Through WebGL: on a plain canvas OpenSeadragon makes every tile a pixel too large to hide seams.
    """
    width, height = stage
    x, y = (512, 512) if api == 2 else (WIDTH - width, HEIGHT - height)
    page = visit.open(f"/view/{name}?api={api}&drawer=webgl#xywh={x},{y},{width},{height}")
    wait_for_picture(page)
    if page.evaluate("OpenSeadragon.getViewer('viewer').drawer.getType()") != "webgl":
        pytest.skip("this browser has no WebGL")
    assert_same(canvas_pixels(page), read_level(sources / name, 1)[y : y + height, x : x + width], 512)
    visit.assert_clean()
    tiles = {path for path in visit.images() if path.startswith(f"/iiif/{api}/{name}/")}
    assert len(tiles) >= 4


@pytest.fixture(name="stage", scope="module")
def fixture_stage(browser: Browser, server: ProductServer) -> tuple[int, int]:
    with browser.new_context(viewport=WINDOW, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{server.url}/view/picture.jpg")
        box = page.locator("#stage").bounding_box()
    assert box is not None
    return round(box["width"]), round(box["height"])


def stitch(server: ProductServer, level: dict[str, Any]) -> Pixels:
    """Fetch the tiles of a level and lay them side by side."""
    rows: dict[int, list[Pixels]] = {}
    for _x, y, url in level["tiles"]:
        answer = server.get(url.removeprefix(server.url))
        assert answer.status == 200, (url, answer.body)
        rows.setdefault(y, []).append(decoded(answer.body))
    return np.vstack([np.hstack(rows[y]) for y in sorted(rows)])


def assert_flaws_are_noticed(mosaic: Pixels, reference: Pixels, tile: int) -> None:
    """The comparison is worth something: a tile that is one pixel off fails it, and so does a seam of one pixel."""
    rows, columns = slice(0, min(tile, mosaic.shape[0])), slice(0, min(tile, mosaic.shape[1]))
    for axis in (0, 1):
        shifted = mosaic.copy()
        shifted[rows, columns] = np.roll(mosaic[rows, columns], 1, axis=axis)
        with pytest.raises(MosaicError):
            assert_same(shifted, reference, tile)
    if mosaic.shape[1] > tile:
        repeated = mosaic.copy()
        repeated[:, tile] = mosaic[:, tile - 1]
        with pytest.raises(MosaicError):
            assert_same(repeated, reference, tile)
    if mosaic.shape[0] > tile:
        dark = mosaic.copy()
        dark[tile] = 0
        with pytest.raises(MosaicError):
            assert_same(dark, reference, tile)
