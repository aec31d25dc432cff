"""Mirador and Universal Viewer, from an address of their own, open the manifest and show the picture."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.browser.conftest import NODE_MODULES, is_picture
from tests.browser.pictures import Pixels, decoded, read_level
from tests.browser.visits import Visit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MIRADOR = """<!doctype html><html><head><meta charset="utf-8"><title>Mirador</title></head>
<body><div id="viewer" style="position:absolute;inset:0"></div>
<script src="mirador/dist/mirador.min.js"></script>
<script>Mirador.viewer({id: "viewer", windows: [{manifestId: "MANIFEST"}]});</script></body></html>"""
UNIVERSAL_VIEWER = """<!doctype html><html><head><meta charset="utf-8"><title>Universal Viewer</title>
<link rel="stylesheet" href="universalviewer/dist/uv.css"></head>
<body style="margin:0"><div class="uv" id="viewer" style="width:1280px;height:800px"></div>
<script src="universalviewer/dist/umd/UV.js"></script>
<script>UV.init("viewer", {manifest: "MANIFEST", embedded: true});</script></body></html>"""


class _Handler(SimpleHTTPRequestHandler):
    """The npm packages, and pages that embed one of them."""

    def __init__(self, *arguments: Any, pages: dict[str, str]) -> None:
        self._pages = pages
        super().__init__(*arguments, directory=str(NODE_MODULES))

    def do_GET(self) -> None:
        page = self._pages.get(self.path)
        if page is None:
            super().do_GET()
            return
        body = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return None


@pytest.fixture(name="pages", scope="module")
def fixture_pages() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a server on another port than the product's, and the pages that it serves."""
    pages: dict[str, str] = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, pages=pages)) as host:
        thread = threading.Thread(target=host.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{host.server_port}", pages
        host.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["picture.jp2", "picture.tif"])
@pytest.mark.parametrize(
    ("page", "bundle", "canvas"),
    [
        (MIRADOR, "mirador/dist/mirador.min.js", ".openseadragon-canvas"),
        (UNIVERSAL_VIEWER, "universalviewer/dist/umd/UV.js", ".openseadragon-canvas"),
    ],
    ids=["mirador", "universal-viewer"],
)
def test_manifest_is_shown(
    visit: Visit, pages: tuple[str, dict[str, str]], sources: Path, name: str, page: str, bundle: str, canvas: str
) -> None:
    if not (NODE_MODULES / bundle).exists():
        pytest.skip(f"{bundle.partition('/')[0]} is not installed (npm ci)")
    address, served = pages
    served["/viewer.html"] = page.replace("MANIFEST", f"{visit.origin}/iiif/presentation/3/{name}/manifest")
    visit.page.goto(f"{address}/viewer.html")
    area = visit.page.locator(canvas).first
    area.wait_for()
    assert_shows(visit.page, area.bounding_box(), read_level(sources / name, 8))
    information = {f"/iiif/{version}/{name}/info.json" for version in (2, 3)} & {path for _, path in visit.answers}
    assert information  # Mirador takes the newer service, Universal Viewer the older one
    assert [path for path in visit.images() if re.search(rf"/{name}/\d+,\d+,\d+,\d+/\d+,\d*/0/default.jpg", path)]
    assert not [answer for answer in visit.answers if answer[0] >= 400], visit.answers
    assert not visit.failures
    blocked = [text for text in visit.complaints if "CORS" in text or "blocked" in text]
    assert not blocked, blocked


def assert_shows(page: Page, area: Any, reference: Pixels) -> None:
    """Wait until the middle of the area has the colours of the picture, wherever the viewer puts it."""
    assert area is not None
    wanted = colours(reference)
    seen = np.zeros(3)
    for _ in range(60):
        shot = decoded(page.screenshot(clip=area))
        seen = colours(picture_part(shot))
        if is_picture(shot) and np.abs(seen - wanted).max() < 20:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"The area has the colours {seen}, the picture {wanted}.")


def picture_part(shot: Pixels) -> Pixels:
    """The largest centred part of the area that has the aspect of the picture, without its outermost tenth."""
    height, width = shot.shape[:2]
    return shot[height // 4 : -height // 4, width // 4 : -width // 4]


def colours(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(pixels.reshape(-1, 3).mean(axis=0), np.float64)
