"""The gallery: its cards, its search and pages, by keyboard and on a telephone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FILLERS, Visitor
from tests.browser.visits import Visit, wait_for_picture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TOTAL = FILLERS + 4
PHONE = {"width": 390, "height": 844}


def test_thumbnails_load(visit: Visit) -> None:
    page = visit.open("/?q=picture")
    pictures = page.locator(".card img")
    expect(pictures).to_have_count(3)
    page.wait_for_function("() => [...document.querySelectorAll('.card img')].every(image => image.naturalWidth > 0)")
    widths = pictures.evaluate_all("images => images.map(image => [image.naturalWidth, image.width / image.height])")
    assert [width for width, _aspect in widths] == [400, 400, 400]
    expect(page.locator(".card").first).to_contain_text("2,503 × 1,775")
    visit.assert_clean()


def test_all_thumbnails_of_a_page_load_when_they_are_reached(visit: Visit) -> None:
    page = visit.open("/")
    for picture in page.locator(".card img").all():
        picture.scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.querySelectorAll('.card img')].every(image => image.naturalWidth > 0)")
    visit.assert_clean()


def test_search(visit: Visit) -> None:
    page = visit.open("/")
    page.get_by_role("searchbox").fill("JP2")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".card h2")).to_have_text(["picture.jp2"])
    expect(page.get_by_role("status")).to_contain_text("1 picture matches “JP2”")
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_role("status")).to_contain_text(f"{TOTAL} pictures")
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing matches “no such thing”")).to_be_visible()
    visit.assert_clean()


def test_pages(visit: Visit) -> None:
    page = visit.open("/")
    expect(page.locator(".card")).to_have_count(48)
    page.get_by_role("link", name="Older").click()
    expect(page).to_have_url(re.compile(r"page=2"))
    expect(page.locator(".card")).to_have_count(TOTAL - 48)
    page.get_by_role("link", name="Newer").click()
    expect(page.locator(".card")).to_have_count(48)


def test_keyboard_opens_a_picture(visit: Visit) -> None:
    page = visit.open("/?q=picture.jp2")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.card') !== null"):
            break
    link = page.get_by_role("link", name="picture.jp2")
    expect(link).to_be_focused()
    assert (
        link.evaluate(
            "link => getComputedStyle(link, '::after').outlineStyle + getComputedStyle(link).outlineStyle"
            " + getComputedStyle(link.closest('.card')).outlineStyle"
        )
        != "nonenonenone"
    )
    page.keyboard.press("Enter")
    page.wait_for_url("**/view/picture.jp2")
    wait_for_picture(page)
    visit.assert_clean()


def test_skip_link_leads_to_the_content(visit: Visit) -> None:
    page = visit.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/#main")


@pytest.mark.parametrize(
    "path", ["/", "/?q=picture", "/?q=nothing-like-it", "/view/letter.jpg", "/view/later.png", "/view/unknown"]
)
def test_nothing_is_cut_off_on_a_telephone(visitor: Visitor, path: str) -> None:
    page = visitor(viewport=PHONE, is_mobile=True, has_touch=True).open(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_failed_image_says_why(visit: Visit) -> None:
    page = visit.open("/?q=letter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()  # only curators find what cannot be shown
    page = visit.open("/view/letter.jpg")
    expect(page.get_by_role("heading", name="letter.jpg")).to_be_visible()
    expect(page.get_by_text("This is a text file, not an image.")).to_be_visible()
    visit.assert_clean()


def test_pending_image_says_that_it_waits(visit: Visit) -> None:
    page = visit.open("/?q=later")
    expect(page.locator(".card")).to_contain_text("Waiting")
    with page.expect_response("**/gallery/state.json") as asked:
        pass  # the page asks by itself
    assert asked.value.ok
    page.get_by_role("link", name="later.png").click()
    expect(page.get_by_text("This picture waits for its turn to be read.")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    visit.assert_clean()
