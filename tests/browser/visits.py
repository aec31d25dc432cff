"""Pages opened in a browser, with a record of what they asked for and complained of."""

import base64
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Page, Request, Response

from tests.browser.pictures import Pixels, decoded

_GOOD = frozenset({200, 206, 302, 303, 304})


@dataclass
class Visit:
    """A page, and what went over the wire between it and the server at `origin`."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._note)
        self.page.on("requestfailed", self._miss)

    def open(self, path: str) -> Page:
        """Load a page of the server from the start, also where only the fragment differs."""
        self.page.goto("about:blank")
        self.page.goto(self.origin + path)
        return self.page

    def images(self) -> list[str]:
        """The addresses below /iiif/ that answered with an image, without the server's name."""
        return [path for status, path in self.answers if status == 200 and "/default." in path]

    def assert_clean(self) -> None:
        """Nothing failed, and nothing was written to the console in red."""
        bad = [answer for answer in self.answers if answer[0] not in _GOOD]
        assert not bad, bad
        assert not self.failures, self.failures
        assert not self.complaints, self.complaints

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _note(self, response: Response) -> None:
        if response.url.startswith(self.origin):
            self.answers.append((response.status, response.url.removeprefix(self.origin)))

    def _miss(self, request: Request) -> None:
        # Viewers call off tiles that nobody looks at any longer.
        if request.url.startswith(self.origin) and request.failure != "net::ERR_ABORTED":
            self.failures.append(f"{request.url}: {request.failure}")


def wait_for_picture(page: Page) -> None:
    """Until OpenSeadragon has drawn every tile of what it shows, and nothing moves any more."""
    page.wait_for_function(
        """() => {
            const viewer = window.OpenSeadragon?.getViewer("viewer");
            const item = viewer?.world.getItemAt(0);
            if (!item?.getFullyLoaded() || document.getElementById("toolbar").hidden) return false;
            const now = viewer.viewport.getBounds(true), then = viewer.viewport.getBounds(false);
            return now.equals(then) && viewer.viewport.getRotation(true) === viewer.viewport.getRotation(false);
        }"""
    )
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def canvas_pixels(page: Page) -> Pixels:
    """What OpenSeadragon has drawn, without what lies above it."""
    data: str = page.evaluate(
        """() => {
            const viewer = OpenSeadragon.getViewer("viewer");
            viewer.forceRedraw();
            return new Promise(done => viewer.addOnceHandler(
                "update-viewport", () => done(viewer.drawer.canvas.toDataURL("image/png"))));
        }"""
    )
    return decoded(base64.b64decode(data.partition(",")[2]))


def stage_size(page: Page) -> tuple[int, int]:
    """Width and height in pixels of the area in which the picture is shown."""
    box = page.locator("#viewer").bounding_box()
    assert box is not None
    return round(box["width"]), round(box["height"])
