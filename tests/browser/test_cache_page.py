"""The cache page as an administrator uses it: reads charts, tries a purge out, types the word, watches the job."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_admin import fixture_curator as fixture_curator  # noqa: PLC0414 - a fixture
from tests.browser.visits import Visit
from tests.support.server import ProductServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAST = """
from datetime import timedelta
from django.utils import timezone
from caching.models import CacheSnapshot
CacheSnapshot.objects.all().delete()
now, hits = timezone.now(), 0
for hours in range(30, 0, -1):
    hits += 100 + 17 * (hours % 7)
    CacheSnapshot.objects.create(host="here", taken=now - timedelta(hours=hours, minutes=5), counts={
        "iiif_request_seconds\\toutcome=hit": 9 * hits, "iiif_request_seconds\\toutcome=miss": hits,
        "iiif_request_seconds\\toutcome=information": hits // 2, "iiif_request_seconds\\toutcome=refused": hits // 9,
        "iiif_sources_origin_bytes\\tstore=museum": hits * 500_000, "iiif_sources_origin_bytes\\tstore=": hits * 90_000,
        "iiif_derivative_cache_evictions": max(0, hits - 2000),
    }, held={"derivatives/derivatives": hits * 800_000, "sources/objects": hits * 300_000})
"""
RUN_JOBS = """
from images.models import Job
from images.services.job_running import job_run
for job in Job.objects.filter(state="pending"):
    job_run(job.pk)
"""
WIDEST = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_charts_are_read_without_a_script(curator: Page, visit: Visit, server: ProductServer) -> None:
    server.manage("shell", "-c", PAST)
    curator.request.get(f"{server.url}/iiif/3/picture.jp2/full/!200,200/0/default.jpg")
    page = visit.open("/admin/")
    page.get_by_role("link", name="Caches").click()
    charts = page.get_by_role("img")
    expect(charts).to_have_count(5)
    expect(page.get_by_role("img", name="Hit ratio")).to_be_visible()
    assert page.locator("svg.chart rect").count() > 24
    page.get_by_text("As a table: Answers by outcome").focus()
    page.keyboard.press("Enter")
    table = page.locator("details[open] table")
    expect(table.locator("tbody tr")).to_have_count(24)
    expect(table).to_contain_text("from the cache")
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("link", name="30 days")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("img")).to_have_count(5)
    visit.assert_clean()


@pytest.mark.parametrize("width", [1280, 700, 400])
def test_nothing_is_cut_off(curator: Page, visit: Visit, width: int) -> None:
    curator.set_viewport_size({"width": width, "height": 900})
    page = visit.open("/admin/cache/")
    assert page.evaluate(WIDEST) <= 0


def test_everything_goes_when_the_word_is_typed(curator: Page, visit: Visit, server: ProductServer) -> None:
    curator.request.get(f"{server.url}/iiif/3/picture.tif/full/!200,200/0/default.jpg")
    page = visit.open("/admin/cache/")
    page.get_by_role("button", name="See what would go: Everything").click()
    expect(page.get_by_text("would be freed")).to_contain_text(re.compile(r"[1-9].*(KB|MB|bytes)"))
    page.get_by_label("Type “all” to confirm").fill("al")
    page.get_by_role("button", name="Remove it").click()
    expect(page.locator(".errornote")).to_contain_text("Type the word all")
    page.get_by_label("Type “all” to confirm").fill("all")
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("heading", name="Remove everything from the caches")).to_be_visible()
    server.manage("shell", "-c", RUN_JOBS)
    expect(page.locator("[data-summary]")).to_contain_text("were freed")
    expect(page.locator("[data-label]")).to_have_text("Done")


def test_one_image_is_tried_out_and_left(curator: Page, visit: Visit) -> None:
    page = visit.open("/admin/cache/")
    page.get_by_role("textbox", name="One image").fill("picture.jpg")
    page.get_by_role("button", name="See what would go: One image").click()
    expect(page.get_by_text("1 image is concerned.")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("textbox", name="One image").fill("nobody")
    page.get_by_role("button", name="See what would go: One image").click()
    expect(page.locator(".messagelist .error")).to_contain_text("none that is called “nobody”")


def test_the_list_of_images_fits(curator: Page, visit: Visit) -> None:
    page = visit.open("/admin/images/image/")
    expect(page.locator("#result_list")).to_be_visible()
    assert page.locator("#changelist .results").evaluate("each => each.scrollWidth - each.clientWidth") <= 0
    assert page.evaluate(WIDEST) <= 0
    page.locator("#searchbar").fill("picture")
    page.locator("#searchbar").press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    row = page.locator("#result_list tbody tr", has_text="picture.jp2")
    expect(row).to_contain_text("JPEG 2000")
