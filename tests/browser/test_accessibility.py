"""axe-core on every page: no finding of weight (WCAG 2.1 A and AA)."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NODE_MODULES, Visitor
from tests.browser.test_admin import fixture_curator as fixture_curator  # noqa: PLC0414 - a fixture
from tests.browser.visits import Visit
from tests.support.server import ProductServer

AXE = NODE_MODULES / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci installs it)"),
]

PUBLIC = [
    "/",
    "/?q=nothing-like-it",
    "/view/picture.jp2",
    "/view/later.png",
    "/view/letter.jpg",
    "/collections",
    "/api/v1/docs/",
    "/nothing-like-it",
]
ADMIN = [
    "/admin/",
    "/admin/system/",
    "/admin/cache/",
    "/admin/cache/purge/?scope=all",
    "/admin/images/image/",
    "/admin/images/image/add/",
    "/admin/images/image/add-many/",
    "/admin/images/collection/add/",
    "/admin/images/profile/add/",
    "/admin/images/namedquery/add/",
    "/admin/images/store/add/",
    "/admin/images/apitoken/add/",
    "/admin/images/job/",
    "/admin/images/batch/",
    "/admin/images/batch/add/",
]


def findings(page: Page) -> list[dict[str, Any]]:
    """What axe finds serious or critical, with the elements."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
    return [
        {"rule": each["id"], "help": each["help"], "at": [node["html"][:200] for node in each["nodes"]][:5]}
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


def assert_accessible(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    found = findings(page)
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages(visitor: Visitor, path: str, scheme: str) -> None:
    assert_accessible(visitor(color_scheme=scheme).open(path))


@pytest.mark.parametrize("path", ADMIN)
def test_admin_pages(curator: Page, visit: Visit, path: str) -> None:
    assert_accessible(visit.open(path))


def test_the_page_of_an_image_and_its_check(curator: Page, visit: Visit, server: ProductServer) -> None:
    code = "from images.models import Image; print(Image.objects.get(identifier='picture.jp2').pk)"
    pk = server.manage("shell", "-v", "0", "-c", code).stdout.split()[-1]
    for path in (f"/admin/images/image/{pk}/change/", f"/admin/images/image/{pk}/check/"):
        assert_accessible(visit.open(path))


def test_the_check_finds_what_is_wrong(visit: Visit) -> None:
    page = visit.open("/")
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=/favicon.ico><input>')")
    assert {each["rule"] for each in findings(page)} >= {"image-alt", "label"}
