"""Adding many: dropped files, web addresses and the contents of a store, each followed to its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_admin import fixture_curator as fixture_curator  # noqa: PLC0414 - a fixture
from tests.browser.visits import Visit
from tests.support.server import ProductServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DELETE = """
from images.models import Image
Image.objects.filter(identifier__startswith="added/").delete()
"""
INGEST = """
from images.models import Image
from images.services.ingest import image_ingest
for image in Image.objects.filter(identifier__startswith="added/", state="pending"):
    image_ingest(image.pk)
"""


@pytest.fixture(autouse=True)
def fixture_nothing_left(server: ProductServer) -> Iterator[None]:
    yield
    server.manage("shell", "-c", DELETE)


def test_files_with_their_progress(curator: Page, visit: Visit, server: ProductServer, sources: Path) -> None:
    page = visit.open("/admin/images/image/")
    page.get_by_role("link", name="Add many", exact=True).click()
    page.get_by_label("Beginning of the identifiers").fill("added/")
    files = [sources / "filler" / "01.png", sources / "filler" / "02.png", sources / "letter.jpg"]
    page.locator("#adding-files").set_input_files(files)
    rows = page.locator("#adding-rows tr")
    expect(rows).to_have_count(3)
    failed = rows.filter(has_text="letter.jpg")
    expect(failed).to_contain_text("This is a text file, not an image.")
    for name in ("01.png", "02.png"):
        expect(rows.filter(has_text=name)).to_have_attribute("data-state", "reading")
    server.manage("shell", "-c", INGEST)
    expect(rows.filter(has_text="01.png")).to_have_attribute("data-state", "ready")
    expect(rows.filter(has_text="02.png")).to_have_attribute("data-state", "ready")
    expect(page.locator("#adding-summary")).to_have_text("3 / 3, 1 ✗")
    page.get_by_role("link", name="added/01.png").click()
    expect(page.get_by_role("heading", name="Inside the source")).to_be_visible()
    assert [status for status, _path in visit.answers if status >= 400] == [400]  # of the letter


def test_files_that_are_chosen_before_the_script_is_there(curator: Page, visit: Visit, sources: Path) -> None:
    held: list[Route] = []
    curator.route("**/js/adding*.js", lambda route: held.append(route))  # noqa: PLW0108 - Playwright takes no built-in
    curator.goto(f"{visit.origin}/admin/images/image/add-many/", wait_until="commit")
    curator.get_by_label("Beginning of the identifiers").fill("added/")  # so that it is taken away again
    curator.locator("#adding-files").set_input_files(sources / "filler" / "03.png")
    expect(curator.locator("#adding-rows tr")).to_have_count(0)
    for route in held:
        route.continue_()
    row = curator.locator("#adding-rows tr")
    expect(row).to_have_attribute("data-state", "reading")
    expect(row).to_contain_text("added/03.png")


def test_addresses_and_stores(curator: Page, visit: Visit) -> None:
    page = visit.open("/admin/images/image/add-many/")
    page.get_by_label("Beginning of the identifiers").fill("added/")
    page.get_by_label("One in each line").fill("https://example.org/a.jpg\nnonsense\n")
    page.get_by_role("button", name="Add", exact=True).click()
    rows = page.locator("#adding-rows tr")
    expect(rows.filter(has_text="added/a.jpg")).to_have_attribute("data-state", "reading")
    expect(rows.filter(has_text="nonsense")).to_contain_text("Enter a valid URL")

    page.locator("#adding-store").select_option(label="sources (Folder on this server)")
    page.locator("#adding-folder").fill("filler")
    page.get_by_role("button", name="List").click()
    keys = page.locator("#adding-keys li")
    expect(keys).to_have_count(46)
    expect(keys.first).to_contain_text("was there already")
    page.locator("#adding-folder").fill("../..")
    page.get_by_role("button", name="List").click()
    expect(page.locator("#adding-store-error")).to_be_visible()
