"""A German reader's browser: the pages speak German, and its long words fit into a telephone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WINDOW, Visitor
from tests.browser.visits import Visit, wait_for_picture
from tests.support.server import ProductServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PHONE = {"width": 390, "height": 844}


@pytest.fixture(name="reader", params=[PHONE, WINDOW], ids=["telephone", "desk"])
def fixture_reader(request: pytest.FixtureRequest, visitor: Visitor) -> Visit:
    return visitor(locale="de-DE", viewport=request.param)


def assert_fits(page: Page) -> None:
    """Nothing reaches beyond the window's right edge."""
    page.wait_for_load_state("networkidle")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= page.evaluate("() => innerWidth")


def sign_in(visit: Visit, server: ProductServer) -> Page:
    page = visit.open("/admin/")
    page.get_by_label("Benutzername").fill("admin")
    page.get_by_label("Passwort").fill((server.data_dir / "admin-password").read_text().strip())
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("link", name="Digitalisate", exact=True).first).to_be_visible()
    return page


def test_gallery(reader: Visit) -> None:
    page = reader.open("/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", level=1)).to_have_text("Galerie")
    expect(page.get_by_role("button", name="Suchen")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Bilder")
    assert_fits(page)
    reader.assert_clean()


def test_page_of_a_picture(reader: Visit) -> None:
    page = reader.open("/view/picture.jp2#xywh=100,200,600,400")
    wait_for_picture(page)
    page.get_by_role("button", name="Diesen Ausschnitt teilen").click()
    expect(page.locator("#region-text")).to_have_text(re.compile(r"^[\d.]+ × [\d.]+ Pixel ab x [\d.]+, y [\d.]+$"))
    expect(page.locator("#panel")).to_contain_text("2.503 × 1.775 Pixel (4,4 MP)")
    assert_fits(page)
    reader.assert_clean()


def test_list_of_the_admin(reader: Visit, server: ProductServer) -> None:
    sign_in(reader, server)
    page = reader.open("/admin/images/image/?q=.j")
    row = page.locator("#result_list tbody tr", has_text="picture.jp2")
    expect(row).to_contain_text("Bereit")
    expect(row).to_contain_text("2.503 × 1.775")
    assert_fits(page)
    beyond = page.locator("#changelist .results").evaluate("each => each.scrollWidth - each.clientWidth")
    assert beyond <= 0 or page.viewport_size == PHONE  # there the table is moved by itself
    reader.assert_clean()


@pytest.mark.parametrize("path", ["/admin/", "/admin/cache/", "/admin/system/", "/admin/images/image/add-many/"])
def test_other_pages_of_the_admin(reader: Visit, server: ProductServer, path: str) -> None:
    sign_in(reader, server)
    assert_fits(reader.open(path))


def test_the_language_is_chosen_at_the_foot(visitor: Visitor) -> None:
    visit = visitor(locale="en-GB", viewport=PHONE)
    page = visit.open("/?q=picture")
    page.get_by_role("button", name="Deutsch").click()
    expect(page).to_have_url(re.compile(r"/\?q=picture$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Galerie")
    page.get_by_role("link", name="picture.jp2").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    wait_for_picture(page)
    visit.open("/")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gallery")
    visit.assert_clean()
