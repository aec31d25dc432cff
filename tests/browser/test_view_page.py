"""The deep-zoom page: its tools, what it shares and saves, its address, and what is left of it without scripts."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visitor, is_picture
from tests.browser.mosaic import assert_same
from tests.browser.pictures import HEIGHT, WIDTH, decoded, read_level
from tests.browser.visits import Visit, canvas_pixels, stage_size, wait_for_picture
from tests.support.server import ProductServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.usefixtures("viewer_script")]

NAME = "picture.jpg"
REGION = (700, 300, 800, 600)
FRAGMENT = "#xywh=700,300,800,600"
SETTLED = 400
"""Milliseconds after which the page has taken note of a new size of the window."""
COPY_LINK = "Copy link: Image information 3.0 (info.json)"


def press(page: Page, name: str) -> None:
    page.get_by_role("toolbar").get_by_role("button", name=name, exact=True).click()


def shown_region(page: Page) -> tuple[int, int, int, int]:
    """x, y, width, height of what the page's address names."""
    match = re.search(r"xywh=(\d+),(\d+),(\d+),(\d+)", page.url)
    assert match, page.url
    x, y, width, height = map(int, match.groups())
    return x, y, width, height


def test_zoom_buttons(visit: Visit) -> None:
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    assert "#" not in page.url
    press(page, "Zoom in")
    page.wait_for_url("**#xywh=*")
    wait_for_picture(page)
    _x, _y, near, _height = shown_region(page)
    assert near < WIDTH
    press(page, "Zoom in")
    page.wait_for_function(f"() => Number(location.hash.split(',')[2]) < {near}")
    press(page, "Whole picture")
    page.wait_for_function("() => location.hash === ''")
    visit.assert_clean()


def test_turning_and_mirroring(visit: Visit) -> None:
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    press(page, "Turn right")
    page.wait_for_url(re.compile(r"[#&]r=90"))
    press(page, "Turn left")
    page.wait_for_function("() => !location.hash.includes('r=')")
    press(page, "Whole picture")
    page.wait_for_function("() => location.hash === ''")
    press(page, "Mirror")
    page.wait_for_url("**#m=1")
    expect(page.get_by_role("button", name="Mirror")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#region-url")).to_have_value(
        re.compile(r"/full/\d+,\d+/!0/default\.jpg$|/max/!0/default\.jpg$")
    )
    visit.assert_clean()


def test_full_screen(visit: Visit) -> None:
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    press(page, "Full screen")
    page.wait_for_function("() => document.fullscreenElement?.id === 'stage'")
    press(page, "Full screen")
    page.wait_for_function("() => document.fullscreenElement === null")


def test_keys_of_the_toolbar(visit: Visit) -> None:
    """One stop of the Tab key; arrows move inside."""
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    page.get_by_role("button", name="Zoom in").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Zoom out")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url("**#xywh=*")


@pytest.mark.parametrize("api", [2, 3])
def test_shared_region_is_what_is_seen(visit: Visit, server: ProductServer, sources: Path, api: int) -> None:
    page = visit.open(f"/view/{NAME}?api={api}")
    width, height = stage_size(page)
    visit.open(f"/view/{NAME}?api={api}&drawer=webgl#xywh=512,400,{width},{height}")
    wait_for_picture(page)
    press(page, "Share this region")
    field = page.locator("#region-url")
    expect(field).to_be_visible()
    expect(field).to_have_value(re.compile(rf"/iiif/{api}/{NAME}/512,400,{width},{height}/"))
    address = field.input_value()
    answer = server.get(address.removeprefix(server.url))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    shared = decoded(answer.body)
    assert_same(shared, read_level(sources / NAME, 1)[400 : 400 + height, 512 : 512 + width], 512)
    if page.evaluate("OpenSeadragon.getViewer('viewer').drawer.getType()") == "webgl":
        assert_same(shared, canvas_pixels(page), 512)


@pytest.mark.parametrize(
    ("fragment", "mirrored", "turns"), [("&r=90", False, 1), ("&r=180&m=1", True, 2), ("&r=270&m=1", True, 3)]
)
def test_shared_region_is_turned_and_mirrored_as_seen(
    visit: Visit, server: ProductServer, sources: Path, fragment: str, *, mirrored: bool, turns: int
) -> None:
    """The view is turned clockwise and then mirrored; IIIF mirrors first."""
    x, y, width, height = REGION
    page = visit.open(f"/view/{NAME}{FRAGMENT}{fragment}")
    wait_for_picture(page)
    answer = server.get(page.locator("#region-url").input_value().removeprefix(server.url))
    assert answer.status == 200
    # The stage is wider or higher than the region: what is shared is what is seen, which may be more.
    region = re.search(r"/(\d+),(\d+),(\d+),(\d+)/", page.locator("#region-url").input_value())
    assert region is not None
    left, top, across, down = map(int, region.groups())
    assert left <= x
    assert top <= y
    assert left + across >= x + width
    assert top + down >= y + height
    expected = np.rot90(read_level(sources / NAME, 1)[top : top + down, left : left + across], -turns)
    assert_same(decoded(answer.body), expected[:, ::-1] if mirrored else expected, 512)


@pytest.mark.parametrize(("api", "level"), [(3, "level1"), (2, ["http://iiif.io/api/image/2/level1.json", {}])])
def test_what_the_server_does_not_turn_is_shared_and_saved_upright(visit: Visit, api: int, level: Any) -> None:
    def narrow(route: Route) -> None:
        answer = route.fetch()
        document = {name: value for name, value in answer.json().items() if name != "extraFeatures"}
        route.fulfill(response=answer, json={**document, "profile": level})

    visit.page.route("**/info.json*", narrow)
    page = visit.open(f"/view/{NAME}?api={api}{FRAGMENT}&r=90&m=1")
    wait_for_picture(page)
    assert drawn_turns(page) == 90
    assert page.locator("#region-url").input_value().endswith("/0/default.jpg")
    with page.expect_download():
        press(page, "Save picture")
    expect(page.locator("#toast")).to_contain_text("neither turned nor mirrored")
    visit.assert_clean()


def drawn_turns(page: Page) -> int:
    return int(page.evaluate("OpenSeadragon.getViewer('viewer').viewport.getRotation(true)"))


def test_saved_picture(visit: Visit) -> None:
    page = visit.open(f"/view/{NAME}{FRAGMENT}")
    wait_for_picture(page)
    region = re.search(r"/(\d+),(\d+),(\d+),(\d+)/", page.locator("#region-url").input_value())
    assert region is not None
    x, y, width, height = map(int, region.groups())
    with page.expect_download() as download:
        press(page, "Save picture")
    assert download.value.suggested_filename == f"picture.jpg-{x}-{y}-{width}-{height}.jpg"
    assert decoded(Path(download.value.path()).read_bytes()).shape == (height, width, 3)
    expect(page.locator("#toast")).to_contain_text("Saved as picture.jpg-")


def test_picture_that_cannot_be_saved_says_so(visit: Visit) -> None:
    page = visit.open(f"/view/{NAME}{FRAGMENT}")
    wait_for_picture(page)
    refusal = '{"error": "overloaded", "detail": "The server is busy."}'
    page.route("**/*download*", lambda route: route.fulfill(status=503, content_type="application/json", body=refusal))
    press(page, "Save picture")
    expect(page.locator("#toast")).to_contain_text("The server is busy.")


def test_links_can_be_copied(visitor: Visitor, server: ProductServer) -> None:
    visit = visitor(permissions=["clipboard-read", "clipboard-write"])
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    page.get_by_text("Links", exact=True).click()
    page.get_by_role("button", name=COPY_LINK).click()
    expect(page.locator("#toast")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"{server.url}/iiif/3/{NAME}/info.json"
    press(page, "Share this region")
    page.get_by_role("button", name="Copy the address of this page").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_every_link_answers(visit: Visit, server: ProductServer) -> None:
    page = visit.open(f"/view/{NAME}")
    links = page.locator("ul.links a").evaluate_all("links => links.map(link => link.href)")
    assert len(links) == 5
    assert [server.get(link.removeprefix(server.url)).status for link in links] == [200] * 5


@pytest.mark.parametrize("fragment", [FRAGMENT, f"{FRAGMENT}&r=90", "#r=180&m=1", "#xywh=nonsense"])
def test_address_restores_the_view(visit: Visit, fragment: str) -> None:
    """The same address, opened again, shows the same; so does the page in the other version of the API."""
    page = visit.open(f"/view/{NAME}{fragment}")
    wait_for_picture(page)
    first = bounds(page)
    visit.open(page.url.removeprefix(visit.origin))
    wait_for_picture(page)
    assert bounds(page) == pytest.approx(first, abs=2)
    page.get_by_role("link", name="2.1").click()
    page.wait_for_url(re.compile(r"\?api=2"))
    wait_for_picture(page)
    assert bounds(page) == pytest.approx(first, abs=4)
    visit.assert_clean()


def test_address_that_is_passed_on_and_on_stays_the_same(visit: Visit) -> None:
    """Also where each reader's window has another shape, and is made larger."""
    for width, height in ((1280, 800), (800, 1000), (1500, 500), (1280, 800)):
        visit.page.set_viewport_size({"width": width, "height": height})
        page = visit.open(f"/view/{NAME}{FRAGMENT}")
        wait_for_picture(page)
        page.set_viewport_size({"width": width + 200, "height": height + 50})
        page.wait_for_timeout(SETTLED)
        assert page.url == f"{visit.origin}/view/{NAME}{FRAGMENT}"
        x, y, across, down = bounds(page)[:4]
        assert x < REGION[0] + 1
        assert y < REGION[1] + 1
        assert x + across > REGION[0] + REGION[2] - 1
        assert y + down > REGION[1] + REGION[3] - 1
    press(page, "Zoom in")
    page.wait_for_function(f"() => !location.hash.includes('{FRAGMENT}')")


def test_whole_picture_stays_whole(visit: Visit) -> None:
    """However it is turned, whether by a button or a key, and whatever happens to the window."""
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    for degrees in (90, 180, 270):
        press(page, "Turn right")
        page.wait_for_url(f"**#r={degrees}")
        assert_fits(page)
    page.set_viewport_size({"width": 700, "height": 700})
    page.wait_for_timeout(SETTLED)
    assert_fits(page)
    page.locator(".openseadragon-canvas").first.focus()
    page.keyboard.press("Shift+R")
    page.wait_for_url("**#r=180")
    assert_fits(page)
    press(page, "Zoom in")
    page.wait_for_url("**#xywh=*")
    press(page, "Turn left")
    press(page, "Whole picture")
    page.wait_for_function("() => location.hash === ''")
    wait_for_picture(page)
    assert_fits(page)


def assert_fits(page: Page) -> None:
    """The picture touches two opposite edges of the window and lies within the others."""
    wait_for_picture(page)
    x, y, width, height = bounds(page)[:4]
    assert max(x, y) == pytest.approx(0, abs=3)
    assert min(x, y) <= 3
    assert (x + width / 2, y + height / 2) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=3)


@pytest.mark.parametrize("fragment", ["", "&m=1", "&r=90", "&r=90&m=1", "&r=180", "&r=270&m=1"])
def test_arrow_keys_move_as_seen(visit: Visit, fragment: str) -> None:
    """The picture goes the other way than the key says, however it is turned and mirrored."""
    page = visit.open(f"/view/{NAME}{FRAGMENT}{fragment}")
    wait_for_picture(page)
    page.locator(".openseadragon-canvas").first.focus()
    for key, moved in {"ArrowRight": (-40, 0), "ArrowUp": (0, 40), "KeyA": (40, 0), "KeyS": (0, -40)}.items():
        before = middle_on_screen(page)
        page.keyboard.press(key)
        wait_for_picture(page)
        after = middle_on_screen(page)
        assert (after[0] - before[0], after[1] - before[1]) == pytest.approx(moved, abs=1), key


def middle_on_screen(page: Page) -> list[float]:
    """Where the middle of FRAGMENT is drawn, in pixels of the window."""
    place: list[float] = page.evaluate(
        """() => {
            const { viewport } = OpenSeadragon.getViewer("viewer");
            const { x, y } = viewport.pixelFromPoint(viewport.imageToViewportCoordinates(1100, 600), true);
            return [viewport.getFlip() ? viewport.getContainerSize().x - x : x, y];
        }"""
    )
    return place


def bounds(page: Page) -> list[float]:
    """What is drawn: x, y, width, height in pixels of the picture, degrees, and whether it is mirrored."""
    numbers: list[float] = page.evaluate(
        """() => {
            const { viewport } = OpenSeadragon.getViewer("viewer");
            const { x, y, width, height } = viewport.viewportToImageRectangle(viewport.getBounds().getBoundingBox());
            return [x, y, width, height, viewport.getRotation(), Number(viewport.getFlip())];
        }"""
    )
    return numbers


def test_another_fragment_moves_the_view(visit: Visit) -> None:
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    page.evaluate("() => { location.hash = '#xywh=1000,800,400,300' }")
    expect(page.locator("#region-text")).to_contain_text(re.compile(r"from x (9\d\d|1,000|1000)"))


def plain_width(page: Page) -> int:
    picture = page.locator(".plain img").first
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('.plain img')?.naturalWidth > 0")
    return int(picture.evaluate("image => image.naturalWidth"))


def test_without_the_viewer_script(visit: Visit) -> None:
    visit.page.route("**/openseadragon*.js", lambda route: route.abort())
    page = visit.open(f"/view/{NAME}")
    assert plain_width(page) == 1200
    expect(page.locator("[data-reason]")).to_have_text("The zooming viewer could not be loaded.")
    expect(page.get_by_role("toolbar")).to_be_hidden()
    expect(page.get_by_text("Opening the picture")).to_be_hidden()


def test_without_the_image_information(visit: Visit) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=502, content_type="application/json", body='{"detail": "The source is out of reach."}')

    visit.page.route("**/info.json", refuse)
    page = visit.open(f"/view/{NAME}")
    assert plain_width(page) == 1200
    expect(page.locator("[data-reason]")).to_have_text("The source is out of reach.")


def test_without_scripts(visitor: Visitor) -> None:
    visit = visitor(java_script_enabled=False)
    page = visit.open(f"/view/{NAME}")
    page.wait_for_load_state("networkidle")
    picture = page.locator(".plain img")
    expect(picture).to_be_visible()
    assert is_picture(decoded(picture.screenshot()))
    expect(page.locator("[data-reason]")).to_have_text("Without JavaScript the picture cannot be zoomed.")
    expect(page.get_by_text("Opening the picture")).to_be_hidden()
    expect(page.get_by_role("toolbar")).to_be_hidden()
    expect(page.get_by_text("Dimensions")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    box, panel = picture.bounding_box(), page.locator("#panel").bounding_box()
    assert box is not None
    assert panel is not None
    assert box["y"] + box["height"] <= panel["y"]
    visit.assert_clean()


def test_phone(visitor: Visitor) -> None:
    visit = visitor(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    width, height = stage_size(page)
    assert width == 390
    assert height >= 300
    assert height / width + 1 > HEIGHT / WIDTH
    for button in page.get_by_role("toolbar").get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, 2.5.8
    visit.assert_clean()


def test_sharing_on_a_phone_leaves_the_picture_in_sight(visitor: Visitor) -> None:
    visit = visitor(viewport={"width": 390, "height": 664}, has_touch=True, is_mobile=True)
    page = visit.open(f"/view/{NAME}")
    wait_for_picture(page)
    expect(page.get_by_text("Dimensions")).to_be_hidden()
    press(page, "Share this region")
    expect(page.locator("#region-url")).to_be_focused()
    stage, panel = page.locator("#main").bounding_box(), page.locator("#panel").bounding_box()
    heading, part = page.locator("#panel > summary").bounding_box(), page.locator("#share > summary").bounding_box()
    assert stage is not None
    assert panel is not None
    assert heading is not None
    assert part is not None
    assert panel["height"] <= 0.61 * stage["height"]
    assert part["y"] >= heading["y"] + heading["height"] - 1
