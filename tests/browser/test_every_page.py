"""Every page that the admin leads to: nothing failed, nothing was complained of, nothing stands in anybody's way."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, ViewportSize

from tests.browser.conftest import Visitor
from tests.browser.test_accessibility import AXE, findings
from tests.browser.visits import Visit
from tests.support.server import ProductServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci installs it)"),
]

WINDOWS: dict[str, ViewportSize] = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
OUTSIDE_OF_LISTS = [
    "/admin/password_change/",
    "/admin/cache/?span=30d",
    "/admin/cache/purge/?scope=image&name=picture.jp2",
    "/admin/images/image/?q=nothing-like-it",
    "/admin/images/image/?state__exact=failed",
]
PUBLIC = [
    "/",
    "/?q=nothing-like-it",
    "/?page=2",
    "/view/picture.jp2",
    "/view/later.png",
    "/view/letter.jpg",
    "/collections",
    "/collections/walked",
    "/api/v1/docs/",
]
RECORDS = """
from images.models import Collection, Image, NamedQuery, Profile
from images.services.bulk_actions import bulk_action_create
from images.services.tokens import token_create
from django.contrib.auth import get_user_model
admin = get_user_model().objects.get(username="admin")
walked, _ = Collection.objects.get_or_create(name="walked", defaults={"label": "Walked"})
Image.objects.filter(identifier="filler/00.png").update(collection=walked)
NamedQuery.objects.get_or_create(name="walked", defaults={"template": "collection={1}"})
Profile.objects.get_or_create(name="walked")
token_create("walker", admin, ["read"])
bulk_action_create("refresh", [], user=admin)
"""


@pytest.fixture(name="records", scope="module")
def fixture_records(server: ProductServer) -> None:
    """At least one row in each list."""
    server.manage("shell", "-v", "0", "-c", RECORDS)


def sign_in(visit: Visit, server: ProductServer) -> Page:
    page = visit.open("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill((server.data_dir / "admin-password").read_text().strip())
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    return page


def links(page: Page, selector: str, origin: str) -> list[str]:
    found = page.eval_on_selector_all(selector, "links => links.map(link => link.href)")
    return [*dict.fromkeys(each.removeprefix(origin) for each in found if each.startswith(origin))]


def every_page(page: Page, visit: Visit, *, is_narrow: bool) -> Iterator[str]:
    """Yields each address when it is open: what the index names, the first record of each list, and its deletion.

    `is_narrow`: without forms and records, whose rows Django lays out in the same way on every page.
    """
    visit.open("/admin/")
    paths = [*links(page, "#content-main a", visit.origin), *OUTSIDE_OF_LISTS]
    yield "/admin/"
    for path in [path for path in paths if not (is_narrow and path.endswith("/add/"))]:
        visit.open(path)
        records = links(page, "#result_list tbody tr:first-child th a", visit.origin)[: 0 if is_narrow else 1]
        yield path
        for record in records:
            visit.open(record)
            beside = links(page, ".deletelink", visit.origin)
            yield record
            for each in beside:
                visit.open(each)
                yield each


@pytest.mark.parametrize("window", WINDOWS)
def test_every_page_is_clean_and_accessible(
    visitor: Visitor, server: ProductServer, records: None, window: str
) -> None:
    visit = visitor(viewport=WINDOWS[window])
    page = sign_in(visit, server)
    wrong: dict[str, list[object]] = {}
    seen = []
    for path in every_page(page, visit, is_narrow=window == "phone"):
        page.wait_for_load_state("networkidle")
        visit.assert_clean()  # before axe, which asks for style sheets where there are none
        found: list[object] = [*findings(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("wider than the window")
        if found:
            wrong[path] = found
        seen.append(path)
        page.goto("about:blank")
        visit.complaints.clear()
        visit.answers.clear()
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)
    assert len(seen) > (15 if window == "phone" else 40), seen


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_are_clean_and_accessible(visitor: Visitor, records: None, path: str, window: str) -> None:
    visit = visitor(viewport=WINDOWS[window])
    page = visit.open(path)
    page.wait_for_load_state("networkidle")
    visit.assert_clean()
    found = findings(page)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_documentation_of_the_api_works_without_scripts_and_by_keyboard(visitor: Visitor) -> None:
    visit = visitor(java_script_enabled=False)
    page = visit.open("/api/v1/docs/")
    link = page.locator(".contents a[href='#images_create']")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/#images_create")
    article = page.locator("#images_create")
    example = article.locator("details").first
    example.locator("summary").focus()
    page.keyboard.press("Enter")
    example.locator("pre").wait_for(state="visible")
    assert page.locator("article").filter(has_text="curl").count() > 30
    visit.assert_clean()


def test_the_keyboard_skips_to_the_content_and_shows_where_it_is(visitor: Visitor, server: ProductServer) -> None:
    page = sign_in(visitor(), server)
    page.keyboard.press("Tab")
    skip = page.evaluate("document.activeElement.className")
    assert skip == "skip-to-content-link"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#content-start').contains(document.activeElement)")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
