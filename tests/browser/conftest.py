"""A browser, a server with sources of every kind, and the fixtures that bring the two together."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser import pictures
from tests.browser.visits import Visit
from tests.support.server import PROJECT, ProductServer

NODE_MODULES = PROJECT / "node_modules"
VIEWER = NODE_MODULES / "openseadragon" / "build" / "openseadragon" / "openseadragon.min.js"
WINDOW: ViewportSize = {"width": 1280, "height": 800}
WAIT_MILLISECONDS = 45_000
FILLERS = 46
"""Small pictures, so that the gallery has two pages."""

expect.set_options(timeout=WAIT_MILLISECONDS)

Visitor = Callable[..., Visit]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    programs = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    program = next((path for path in programs if path), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same picture in three formats, small ones in `filler/`, and one that is no image."""
    folder: Path = tmp_path_factory.mktemp("browser") / "sources"
    (folder / "filler").mkdir(parents=True)
    for number in range(FILLERS):
        colour = ((37 * number) % 256, (91 * number) % 256, (151 * number) % 256)
        PillowImage.new("RGB", (60, 40), colour).save(folder / "filler" / f"{number:02}.png")
    pixels = pictures.make_picture()
    pictures.write_jp2(pixels, folder / "picture.jp2")
    pictures.write_tiff(pixels, folder / "picture.tif")
    pictures.write_jpeg(pixels, folder / "picture.jpg")
    (folder / "letter.jpg").write_text("Dear colleague, attached please find the scan.\n" * 9)
    folder.with_name("later.png").write_bytes((folder / "filler" / "01.png").read_bytes())
    return folder


@pytest.fixture(scope="package")
def server(browser: Browser, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductServer]:
    """Started after the browser, so that a machine without one does not wait for it. `later.png` stays pending."""
    with ProductServer(tmp_path_factory.mktemp("browser-data") / "data") as running:
        running.ingest(str(sources), check=False)
        running.manage("ingest", str(sources.with_name("later.png")))
        yield running


@pytest.fixture
def visitor(browser: Browser, server: ProductServer) -> Iterator[Visitor]:
    """Opens a fresh browser window; options are those of Playwright's `new_context`."""
    contexts = []

    def start(**options: Any) -> Visit:
        context = browser.new_context(**{"viewport": WINDOW, **options})
        context.set_default_timeout(WAIT_MILLISECONDS)
        contexts.append(context)
        return Visit(context.new_page(), server.url)

    yield start
    for context in contexts:
        context.close()


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    return visitor()


@pytest.fixture(scope="session")
def viewer_script() -> Path:
    if not VIEWER.exists():
        pytest.skip("OpenSeadragon is not installed (npm ci)")
    return VIEWER


def is_picture(pixels: pictures.Pixels) -> bool:
    """Whether there is something to be seen, rather than one colour."""
    return float(np.std(pixels.astype(np.float32))) > 12
