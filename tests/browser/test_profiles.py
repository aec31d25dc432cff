"""A curator narrows what is answered, sees what comes of it, and has an image checked."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_admin import fixture_curator as fixture_curator  # noqa: PLC0414 - a fixture
from tests.browser.visits import Visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_the_preview_follows_the_form(curator: Page, visit: Visit) -> None:
    page = visit.open("/admin/images/profile/add/")
    newer = page.locator('[data-document="3"]')
    page.get_by_label("Name").fill("reading-room")
    expect(newer).to_contain_text('"rotationArbitrary"')
    expect(newer).to_contain_text("/iiif/3/example")
    expect(page.locator('[data-document="2"]')).to_contain_text("/iiif/2/example")
    page.get_by_label("rotationArbitrary").uncheck()
    expect(newer).not_to_contain_text("rotationArbitrary")
    page.get_by_label("Maximum width").fill("300")
    expect(newer).to_contain_text('"maxWidth": 300')
    page.get_by_label("regionByPx").uncheck()
    expect(page.locator("[data-warnings]")).to_contain_text("they cannot zoom in")
    page.get_by_label("regionByPx").check()
    expect(page.locator("[data-warnings]")).not_to_contain_text("zoom")
    page.get_by_label("Maximum width").fill("0")
    expect(page.locator("[data-warnings]")).to_contain_text("greater than or equal to 1")
    page.get_by_label("Maximum width").fill("3000")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list")).to_contain_text("reading-room")
    visit.assert_clean()


def test_an_image_is_checked(curator: Page, visit: Visit) -> None:
    page = visit.open("/admin/images/image/?q=picture.jp2")
    page.get_by_role("link", name="picture.jp2").first.click()
    page.get_by_role("link", name="check").click()
    page.get_by_role("button", name="Check this image").click()
    expect(page.get_by_text("answers are right")).to_have_count(2, timeout=60_000)
    expect(page.locator(".check-failed")).to_have_count(0)
    visit.assert_clean()
