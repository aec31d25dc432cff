"""Sources that are replaced under readers: no answer mixes two versions, and each entity tag names one.

One version is red, the other blue. Readers ask for tiles all the time, while the source is replaced and read again.
"""

import os
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.proof.pictures import BLUE, RED, WAYS, colours, solid
from tests.proof.sites import put, register, store_fields
from tests.support.origin import Origin
from tests.support.server import ProductServer

REPLACES = int(os.environ.get("IIIF_PROOF_REPLACES", "100" if os.environ.get("CI") else "30"))  # of each kind of source
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replacing"), pytest.mark.timeout(max(600, 6 * REPLACES))]

READERS = 16
REFRESH = """
import sys
from images.models import Image
from images.services.ingest import image_refresh
print("ready", flush=True)
for line in sys.stdin:
    for pk in Image.objects.values_list("pk", flat=True):
        try:
            image_refresh(pk)
        except Exception as error:
            print(repr(error), file=sys.stderr, flush=True)
    print("done", flush=True)
"""
REGIONS = ("0,0,256,256/256,256", "128,64,300,300/150,150", "full/200,", "384,256,256,224/,112", "full/max")
VERSIONS = {way: [write(solid(RED)), write(solid(BLUE))] for way, write in WAYS.items()}


class Site:
    """A server with one image of each way of storing pixels in each kind of source."""

    def __init__(self, folder: Path, origin: Origin, server: ProductServer) -> None:
        self.folder, self.origin, self.server = folder, origin, server

    def replace(self, kind: str, way: str, version: int) -> None:
        data = VERSIONS[way][version]
        if kind == "filesystem":
            partial = self.folder / "partial"
            partial.write_bytes(data)
            partial.rename(self.folder / f"local.{way}")
        else:
            put(self.origin, f"{kind}.{way}", data)

    @staticmethod
    def identifier(kind: str, way: str) -> str:
        return f"{'local' if kind == 'filesystem' else kind}.{way}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("replacing")
    sources = folder / "sources"
    sources.mkdir()
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        settings = {"IIIF_SERVED_IMAGE_TTL": 0.1, "IIIF_SOURCE_FAILURE_TTL": 0.1}
        server = stack.enter_context(ProductServer(folder / "data", settings=settings))
        made = Site(sources, origin, server)
        for kind in ("filesystem", "s3", "http"):
            for way in WAYS:
                made.replace(kind, way, 0)
        stores = [
            store_fields(origin, "s3", "stream"),
            store_fields(origin, "http", "stream"),
            {"name": "filesystem-stream", "kind": "filesystem", "root": str(sources)},
        ]
        images = [
            (made.identifier(kind, way), f"{kind}-stream") for kind in ("filesystem", "s3", "http") for way in WAYS
        ]
        register(server, stores, images)
        yield made


def reader(site: Site, kind: str, seed: int, stop: threading.Event, seen: "Seen") -> Callable[[], None]:
    chance = random.Random(seed)

    def read() -> None:
        while not stop.is_set():
            identifier = site.identifier(kind, chance.choice(list(WAYS)))
            path = f"/iiif/3/{identifier}/{chance.choice(REGIONS)}/0/default.{chance.choice(['png', 'jpg'])}"
            answer = site.server.get(path)
            seen.note(path, answer.status, answer.headers.get("ETag", ""), answer.body)

    return read


class Seen:
    """What readers saw; anything wrong is kept in words."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.statuses: dict[int, int] = defaultdict(int)
        self.tags: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.wrong: list[str] = []

    def note(self, path: str, status: int, etag: str, body: bytes) -> None:
        found = colours(body) if status == 200 else set()
        with self._lock:
            self.statuses[status] += 1
            if status == 200:
                self.tags[path, etag] |= found
                if found not in ({"red"}, {"blue"}):
                    self.wrong.append(f"{path} shows {sorted(found)}")
            elif status not in {404, 502, 503, 504}:
                self.wrong.append(f"{path} answers {status}")

    def check(self) -> None:
        assert self.wrong == []
        assert [tag for tag, found in self.tags.items() if len(found) != 1] == []
        both = {colour for found in self.tags.values() for colour in found}
        assert both == {"red", "blue"}, "nothing was ever replaced"


@pytest.mark.parametrize("kind", ["filesystem", "s3", "http"])
def test_no_answer_mixes_two_versions(site: Site, kind: str) -> None:
    stop, seen = threading.Event(), Seen()
    threads = [threading.Thread(target=reader(site, kind, seed, stop, seen)) for seed in range(READERS)]
    refreshing = site.server.popen("shell", "-v", "0", "-c", REFRESH)
    try:
        assert refreshing.stdin is not None
        assert refreshing.stdout is not None
        assert "ready" in refreshing.stdout.readline()
        for thread in threads:
            thread.start()
        chance = random.Random(1)
        for number in range(REPLACES):
            site.replace(kind, chance.choice(list(WAYS)), number % 2)
            if number % 5 == 0:
                refreshing.stdin.write("now\n")
                refreshing.stdin.flush()
                assert refreshing.stdout.readline() == "done\n"
    finally:
        stop.set()
        for thread in threads:
            if thread.ident:
                thread.join()
        refreshing.kill()
        refreshing.communicate()
    seen.check()
    assert seen.statuses[200] > 0
