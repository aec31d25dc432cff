"""A curator's way: sign in, add a picture, see it, describe it; and what is said when something was entered wrongly."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.visits import Visit
from tests.support.server import ProductServer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADDRESS = """
from django.urls import reverse
from images.models import Image
print(reverse("admin:images_image_change", args=[Image.objects.get(identifier="{identifier}").pk]))
"""
INGEST = """
from images.models import Image
from images.services.ingest import image_ingest
image_ingest(Image.objects.get(identifier={identifier!r}).pk)
"""


@pytest.fixture(name="curator")
def fixture_curator(visit: Visit, server: ProductServer) -> Page:
    """Signed in with the password that the server made for its first administrator."""
    page = visit.open("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill((server.data_dir / "admin-password").read_text().strip())
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Images", exact=True).first).to_be_visible()
    return page


def test_wrong_password(visit: Visit) -> None:
    page = visit.open("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("guess")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".errornote")).to_contain_text("correct username and password")


def test_upload_is_read_described_and_deleted(
    curator: Page, visit: Visit, server: ProductServer, sources: Path
) -> None:
    page = curator
    visit.open("/admin/images/image/add/")
    page.get_by_label("Identifier").fill("uploaded/one")
    page.get_by_label("Upload").set_input_files(sources / "filler" / "07.png")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("was added successfully")
    row = page.locator("#result_list tbody tr", has_text="uploaded/one")
    expect(row).to_contain_text("Waiting")

    server.manage("shell", "-c", INGEST.format(identifier="uploaded/one"))
    visit.open("/admin/images/image/")
    expect(row).to_contain_text("Ready")
    expect(row).to_contain_text("60 × 40")
    expect(row.locator("[data-cached]")).not_to_have_text("—")
    row.locator("img").evaluate("image => image.decode()")
    assert row.locator("img").evaluate("image => image.naturalWidth") == 60

    row.get_by_role("link", name="uploaded/one").click()
    page.get_by_label("Label:", exact=True).fill("The seventh plate")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(row).to_contain_text("The seventh plate")
    expect(row).to_contain_text("Ready")
    visit.open("/?q=seventh")
    expect(page.locator(".card h2")).to_have_text(["The seventh plate"])

    visit.open("/admin/images/image/?q=seventh")
    row.get_by_role("link", name="uploaded/one").click()
    page.get_by_role("link", name="Delete", exact=True).click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.locator(".success")).to_contain_text("was deleted")
    visit.open("/?q=seventh")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    visit.assert_clean()


@pytest.mark.parametrize("fields", [{}, {"Key": "filler/01.png", "URL": "https://example.org/a.jp2"}])
def test_one_source_must_be_named(curator: Page, visit: Visit, fields: dict[str, str]) -> None:
    page = curator
    visit.open("/admin/images/image/add/")
    page.get_by_label("Identifier").fill("wrong")
    for name, value in fields.items():
        page.get_by_label(f"{name}:", exact=True).fill(value)
    if fields:
        page.locator("select#id_store").select_option(index=1)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errorlist").first).to_contain_text(
        "Upload a file, or name either a store and a key, or a URL."
    )
    expect(page.get_by_label("Identifier")).to_have_value("wrong")


def test_wrong_identifier_and_metadata(curator: Page, visit: Visit) -> None:
    page = curator
    visit.open("/admin/images/image/add/")
    page.get_by_label("Identifier").fill("../etc/passwd")
    page.get_by_label("URL:", exact=True).fill("https://example.org/a.jp2")
    page.get_by_role("button", name="As JSON").click()
    page.locator("#id_metadata").fill('{"a": 1}')
    page.get_by_role("button", name="As rows").click()
    expect(page.locator(".metadata-editor [role=status]")).to_contain_text("no list of rows")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-identifier .errorlist")).to_be_visible()
    expect(page.locator(".field-metadata .errorlist")).to_contain_text("Metadata is a list")
    expect(page.locator("#id_metadata")).to_have_value('{"a": 1}')
    expect(page.locator("#id_metadata")).to_be_visible()


def test_metadata_in_rows(curator: Page, visit: Visit, server: ProductServer) -> None:
    page = curator
    page_of_image = (
        server.manage("shell", "-c", ADDRESS.format(identifier="picture.jp2")).stdout.strip().splitlines()[-1]
    )
    visit.open(page_of_image)
    editor = page.get_by_role("group", name="Metadata")
    expect(page.locator("#id_metadata")).to_be_hidden()
    editor.get_by_role("button", name="Add a row").click()
    for text in ("Date", "1877", "Ort", "Wien <1.>"):  # and at the end a row in which nothing is written
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    page.get_by_role("button", name="Save and continue editing").click()
    rows = editor.locator(".metadata-row")
    expect(rows).to_have_count(2)
    expect(rows.nth(1).get_by_label("Value of the row")).to_have_value("Wien <1.>")
    rows.nth(0).get_by_role("button", name="Remove this row").click()
    expect(editor.get_by_role("button", name="Add a row")).to_be_focused()
    editor.get_by_role("button", name="As JSON").click()
    expect(page.locator("#id_metadata")).to_have_value(re.compile('"Wien <1.>"'))
    page.locator("#id_metadata").fill('[{"label": "Date", "value": "1901"}, {"label": "Note", "value": "One\\n two "}]')
    editor.get_by_role("button", name="As rows").click()
    rows.nth(0).get_by_label("Value of the row").fill("1902")
    expect(page.locator("#id_metadata")).to_have_value(
        '[{"label":"Date","value":"1902"},{"label":"Note","value":"One\\n two "}]'
    )
    page.get_by_role("button", name="Save and continue editing").click()
    expect(rows.nth(0).get_by_label("Value of the row")).to_have_value("1902")
    expect(rows.nth(1).get_by_label("Value of the row")).to_have_value("One\n two ")
    for _row in range(2):
        rows.nth(0).get_by_role("button", name="Remove this row").click()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".success")).to_be_visible()
    expect(rows).to_have_count(0)
    visit.assert_clean()


def test_failed_image_shows_its_reason(curator: Page, visit: Visit) -> None:
    page = curator
    visit.open("/admin/images/image/?state__exact=failed")
    row = page.locator("#result_list tbody tr", has_text="letter.jpg")
    expect(row).to_contain_text("Failed")
    row.get_by_role("link", name="letter.jpg").click()
    expect(page.locator(".field-error_detail")).to_contain_text(re.compile("text file"))


@pytest.mark.parametrize("fault", ["the network is gone", "somebody else answers"])
def test_the_list_stays_as_it_is_where_the_caches_cannot_be_asked(curator: Page, visit: Visit, fault: str) -> None:
    page = curator
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def answer(route: Route) -> None:
        if fault == "the network is gone":
            route.abort()
        else:
            route.fulfill(status=200, content_type="text/html", body="<p>Please log in")

    page.route("**/cached.json*", answer)
    with page.expect_event("requestfailed" if fault == "the network is gone" else "requestfinished", _is_about_caches):
        visit.open("/admin/images/image/")
    page.evaluate("() => new Promise(done => setTimeout(done, 100))")
    cells = page.locator("[data-cached]")
    assert cells.count() > 1
    assert set(cells.all_text_contents()) == {"—"}
    assert errors == []


def _is_about_caches(request: Request) -> bool:
    return "/cached.json" in request.url
