"""Two nodes of one site: what one of them changes the other knows, and what is known outlives database and Redis.

Both trust what they remember for ten minutes: so what they learn sooner, they have learned as news.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.flows.conftest import gradient, png_bytes
from tests.images.indexes.jp2.variants import variant
from tests.images.indexes.tiff.jpeg import jpeg_tiff
from tests.support.nodes import nodes
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import Answer, ProductServer, wait_until

pytestmark = pytest.mark.slow

LONG = {"IIIF_SERVED_IMAGE_TTL": 600.0, "IIIF_UNKNOWN_IMAGE_TTL": 600.0}
SLIDE = np.asarray(gradient(1500, 1100, 90))

PICTURE = "from images.models import Image; Image.objects.filter(identifier='picture')"


@dataclass
class Site:
    first: ProductServer
    second: ProductServer
    redis: Redis
    postgres: Postgres
    sources: Path

    def register(self, identifier: str, name: str, data: bytes) -> None:
        path = self.sources / name
        path.write_bytes(data)
        self.first.ingest(str(path), "--id", identifier)


@pytest.fixture
def site(tmp_path: Path, private_postgres: Postgres, redis_server: Redis) -> Iterator[Site]:
    sources = tmp_path / "sources"
    sources.mkdir()
    with nodes(tmp_path, 2, redis=redis_server, postgres=private_postgres, settings=LONG) as (first, second):
        yield Site(first, second, redis_server, private_postgres, sources)


def information(node: ProductServer, identifier: str) -> Answer:
    return node.get(f"/iiif/3/{identifier}/info.json")


def all_soon(nodes: tuple[ProductServer, ...], condition: Callable[[Answer], bool], seconds: float = 5) -> bool:
    """Whether the image information of all nodes fulfils the condition before long."""
    return wait_until(lambda: all(condition(information(node, "picture")) for node in nodes), seconds)


def test_both_nodes_hear_of_what_is_changed(site: Site) -> None:
    nodes = (site.first, site.second)
    assert [information(node, "picture").status for node in nodes] == [404, 404]
    site.register("picture", "picture.png", png_bytes(gradient(600, 400)))
    assert all_soon(nodes, lambda answer: answer.status == 200)

    tile = "/iiif/3/picture/0,0,100,100/100,/0/default.png"
    before = [node.get(tile) for node in nodes]
    site.register("picture", "picture.png", png_bytes(gradient(500, 400, seed=99)))
    assert all_soon(nodes, lambda answer: answer.json()["width"] == 500)
    after = [node.get(tile) for node in nodes]
    assert before[0].body == before[1].body != after[0].body == after[1].body
    assert before[0].headers["ETag"] != after[0].headers["ETag"] == after[1].headers["ETag"]

    site.first.manage(
        "shell", "-c", "from images.models import Image; Image.objects.get(identifier='picture').delete()"
    )
    assert all_soon(nodes, lambda answer: answer.status == 404)


def test_what_is_missed_while_redis_is_away_is_seen_when_it_is_back(site: Site) -> None:
    site.register("picture", "picture.png", png_bytes(gradient(600, 400)))
    assert information(site.second, "picture").json()["width"] == 600
    site.redis.stop()
    site.first.manage("shell", "-c", f"{PICTURE}.update(max_width=77)")
    assert information(site.second, "picture").json()["maxWidth"] != 77
    site.redis.start()
    assert wait_until(lambda: information(site.second, "picture").json().get("maxWidth") == 77, 10)


TILES = {
    "picture": [f"/iiif/3/picture/{x},0,64,64/64,/0/default.jpg" for x in range(0, 320, 64)],
    "slide": [f"/iiif/3/slide/{x},256,256,256/256,256/0/default.jpg" for x in range(0, 1280, 256)],
    "packets": [f"/iiif/3/packets/{x},0,64,64/32,/0/default.jpg" for x in range(0, 320, 64)],
}
for _identifier, _tiles in TILES.items():
    _tiles += [f"/iiif/3/{_identifier}/full/!150,150/0/default.jpg", f"/iiif/3/{_identifier}/full/max/0/gray.png"]


def test_known_images_are_served_without_the_database(site: Site) -> None:
    site.register("picture", "picture.png", png_bytes(gradient(600, 400)))
    site.register("slide", "slide.tif", jpeg_tiff(SLIDE, 256, "420", levels=3))
    site.register("packets", "packets.j2k", variant("RPCL listed"))
    reference = {tile: site.first.get(tile).body for tiles in TILES.values() for tile in tiles}
    for tiles in TILES.values():
        assert site.second.get(tiles[0]).body == reference[tiles[0]]
    site.second.stop()
    site.postgres.stop()
    site.second.start()  # it knows nothing but what Redis tells

    for identifier, tiles in TILES.items():
        for node in (site.first, site.second):
            assert information(node, identifier).status == 200
            assert node.get(f"/iiif/presentation/3/{identifier}/manifest").status == 200
            for tile in tiles:
                answer = node.get(tile)
                assert (answer.status, answer.body == reference[tile]) == (200, True), (tile, answer.headers)
    assert site.second.get("/iiif/3/unknown/info.json").status == 503
    assert site.second.get("/admin/", Cookie=f"sessionid={'x' * 32}").status == 503
    assert site.second.get("/").status == 503

    site.postgres.start()
    assert wait_until(lambda: site.second.get("/iiif/3/unknown/info.json").status == 404, 10)
    assert wait_until(lambda: site.second.get("/").status == 200, 10)


def test_a_database_that_may_only_be_read_stops_nobody(site: Site) -> None:
    site.register("slide", "slide.tif", jpeg_tiff(SLIDE, 256, "420", levels=3))
    site.postgres.read_only(yes=True)
    for node in (site.first, site.second):
        assert information(node, "slide").status == 200
        assert {node.get(tile).status for tile in TILES["slide"]} == {200}
        assert node.get("/iiif/3/unknown/info.json").status == 404


@pytest.mark.parametrize("fault", ["stop", "halt"])
def test_nobody_notices_that_redis_is_away(site: Site, fault: str) -> None:
    site.register("picture", "picture.png", png_bytes(gradient(600, 400)))
    cached = "/iiif/3/picture/0,0,50,50/50,/0/default.png"
    assert site.first.get(cached).status == 200
    getattr(site.redis, fault)()
    fresh = [f"/iiif/3/picture/{x},0,50,50/50,/0/default.png" for x in range(0, 500, 50)]
    assert {site.first.get(url, timeout=10).status for url in (*fresh, cached)} == {200}
    if fault == "halt":
        site.redis.go_on()
    else:
        site.redis.start()
    assert information(site.first, "picture").status == 200
