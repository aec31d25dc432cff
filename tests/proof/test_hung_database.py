"""A PostgreSQL that takes questions and never answers: its connections stay open, and nothing comes over them.

All that is asked here is asked while it hangs, and it hangs until the last answer is there: an answer that waits for
the database is none.
"""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.flows.conftest import gradient, png_bytes
from tests.images.indexes.jp2.variants import variant
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.proof.sites import ask_all, statuses
from tests.support.nodes import nodes
from tests.support.postgres import Postgres
from tests.support.proxy import Proxy
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults"), pytest.mark.timeout(600)]

PATIENT = {"DECODE_QUEUE_LENGTH": 256, "DECODE_QUEUE_SECONDS": 60.0}  # however busy the decoders: 503 is the database's
CLIENTS = 64  # twice as many as the server has threads
SLIDE = np.asarray(gradient(1500, 1100, 90))
IMAGES: dict[str, Callable[[], bytes]] = {
    "picture.png": lambda: png_bytes(gradient(600, 400)),
    "slide.tif": lambda: jpeg_tiff(SLIDE, 256, "420", levels=3),
    "packets.j2k": lambda: variant("RPCL listed"),
}
KEPT = [f"/iiif/3/{name}/0,0,64,64/64,/0/default.jpg" for name in IMAGES]
NOT_KEPT = [
    f"/iiif/3/{name}/{x},{y},64,64/32,/0/default.jpg" for name in IMAGES for x in range(0, 320, 64) for y in (64, 128)
]
INFORMATION = [f"/iiif/3/{name}/info.json" for name in IMAGES]
KNOWN = [*KEPT, *NOT_KEPT, *INFORMATION]


@dataclass
class Site:
    node: ProductServer
    beside: ProductServer  # the same, by a way to the database that does not hang
    proxy: Proxy
    sources: Path

    def register(self, name: str, data: bytes) -> None:
        (self.sources / name).write_bytes(data)
        self.beside.ingest(str(self.sources / name), "--id", name)


@pytest.fixture
def site(tmp_path: Path, private_postgres: Postgres) -> Iterator[Site]:
    (tmp_path / "sources").mkdir()
    direct = private_postgres.url()
    with Proxy(private_postgres.port) as proxy:
        through = direct.replace(f":{private_postgres.port}/", f":{proxy.port}/")
        with nodes(tmp_path, 1, environment={"DATABASE_URL": through}, settings=PATIENT) as (node,):
            beside = dataclasses.replace(node, environment={**node.environment, "DATABASE_URL": direct})
            try:
                yield Site(node, beside, proxy, tmp_path / "sources")
            finally:
                proxy.resume()


def test_known_images_are_served_while_the_database_hangs(site: Site) -> None:
    node = site.node
    for name, data in IMAGES.items():
        site.register(name, data())
    reference = {path: node.get(path).body for path in KNOWN}
    node.stop()
    shutil.rmtree(node.data_dir / "cache")
    node.start()
    kept = ask_all([(node, path) for path in (*KEPT, *INFORMATION)])
    assert statuses(kept) == {200: len(kept)}

    site.proxy.stall()
    for turn in range(3):  # the first meets connections that answered a moment ago
        asked = [KNOWN[(turn * CLIENTS + number) % len(KNOWN)] for number in range(CLIENTS)]
        answers = ask_all([(node, path) for path in asked], timeout=120)
        assert [(path, answer.body) for path, answer in zip(asked, answers, strict=True) if answer.status != 200] == []
        assert [path for path, answer in zip(asked, answers, strict=True) if answer.body != reference[path]] == []
    strangers = ask_all([(node, f"/iiif/3/stranger-{number}/info.json") for number in range(CLIENTS)], timeout=120)
    assert statuses(strangers) == {503: CLIENTS}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in strangers)
    pages = ask_all([(node, path) for path in ("/", "/readyz") * 12], timeout=120)
    assert statuses(pages) == {503: 24}
    assert statuses(ask_all([(node, path) for path in KNOWN], timeout=120)) == {200: len(KNOWN)}

    site.register("new.png", png_bytes(gradient(300, 200)))
    change = "from images.models import Image; Image.objects.filter(identifier='picture.png').update(max_width=77)"
    site.beside.manage("shell", "-c", change)
    site.proxy.resume()
    assert wait_until(lambda: node.get("/iiif/3/new.png/info.json").status == 200, 30)
    assert wait_until(lambda: node.get("/iiif/3/picture.png/info.json").json().get("maxWidth") == 77, 30)
    assert wait_until(lambda: node.get("/iiif/3/stranger-1/info.json").status == 404, 30)
    assert wait_until(lambda: node.get("/").status == 200, 30)
