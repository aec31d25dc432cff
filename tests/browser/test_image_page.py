"""The image's page in the admin: what a curator sees of a source, its tiles and its addresses."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_admin import fixture_curator as fixture_curator  # noqa: PLC0414 - a fixture
from tests.browser.visits import Visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def open_image(visit: Visit, name: str) -> Page:
    page = visit.open(f"/admin/images/image/?q={name}")
    page.locator("#result_list").get_by_role("link", name=re.compile(rf"^{re.escape(name)}")).click()
    expect(page.get_by_role("heading", name="Build an address")).to_be_visible()
    return page


def test_the_picture_and_its_tiles(curator: Page, visit: Visit) -> None:
    page = open_image(visit, "picture.jp2")
    zoom = page.locator("#zoom canvas").first
    expect(zoom).to_be_visible()
    page.wait_for_function(
        "() => { const c = document.querySelector('#zoom canvas'); const d = c.getContext('2d')"
        ".getImageData(c.width / 2, c.height / 2, 1, 1).data; return d[3] > 0; }"
    )
    before = zoom.screenshot()
    page.get_by_label("Show the tiles").check()
    page.wait_for_timeout(500)
    assert zoom.screenshot() != before
    visit.assert_clean()


def test_the_builder_shows_address_canonical_form_and_plan(curator: Page, visit: Visit) -> None:
    page = open_image(visit, "picture.jp2")
    builder = page.locator("#builder")
    builder.get_by_label("region").fill("pct:0,0,50,50")
    builder.get_by_label("size").fill("200,")
    expect(builder.locator("[data-address]")).to_have_attribute(
        "href", re.compile(r"/pct:0,0,50,50/200,/0/default\.jpg$")
    )
    expect(builder.locator("[data-canonical]")).to_have_attribute(
        "href", re.compile(r"/0,0,\d+,\d+/200,\d+/0/default\.jpg$")
    )
    picture = builder.locator("[data-picture]")
    page.wait_for_function("() => document.querySelector('[data-picture]').naturalWidth === 200")
    builder.get_by_text("How it is answered").click()
    expect(builder.locator("[data-lines]")).to_contain_text("decodes")
    builder.get_by_label("region").fill("0,0,x")
    expect(builder.locator("[data-error]")).to_be_visible()
    expect(picture).to_be_hidden()
    builder.get_by_label("region").fill("square")
    expect(builder.locator("[data-error]")).to_be_hidden()
    visit.assert_clean()


def test_what_the_index_found(curator: Page, visit: Visit) -> None:
    page = open_image(visit, "picture.jp2")
    inside = page.locator("section", has=page.get_by_role("heading", name="Inside the source"))
    for text in ("Progression", "Quality layers", "Code-blocks", "only what a region needs is read"):
        expect(inside).to_contain_text(text)
    page = open_image(visit, "picture.tif")
    inside = page.locator("section", has=page.get_by_role("heading", name="Inside the source"))
    expect(inside).to_contain_text("Compression")
    expect(page.locator('a[href*="presentation/2/"]')).to_be_visible()
    visit.assert_clean()
