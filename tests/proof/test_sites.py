"""Two nodes with one Redis and one PostgreSQL: replaced sources, a full Redis, an origin that hangs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.proof.pictures import BLUE, RED, colours, solid, textured, tiff
from tests.proof.sites import ask_all, put, register, statuses, store_fields
from tests.support import faults
from tests.support.nodes import Worker, nodes
from tests.support.origin import Origin
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sites")]

TILE = "128,128,200,200/100,100/0/default.png"
REFRESH = """
from images.models import Image
from images.services.ingest import image_refresh
assert image_refresh(Image.objects.get(identifier="map.tif").pk)
"""


@dataclass
class Site:
    origin: Origin
    redis: Redis
    nodes: list[ProductServer]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        server = stack.enter_context(Redis(memory=8_000_000))
        running = stack.enter_context(
            nodes(
                tmp_path_factory.mktemp("sites"), 2, redis=server, postgres=stack.enter_context(Postgres()),
                settings={"IIIF_SERVED_IMAGE_TTL": 600.0, "IIIF_FETCH_SECONDS": 5.0, "IIIF_STORE_READ_SECONDS": 3.0},
            )
        )  # fmt: skip
        put(origin, "map.tif", tiff(solid(RED)))
        put(origin, "other.tif", tiff(textured(1)))
        images = [("map.tif", "s3-stream"), ("other.tif", "s3-stream")]
        register(running[0], [store_fields(origin, "s3", "stream")], images)
        yield Site(origin, server, running)


def kept(node: ProductServer) -> set[Path]:
    """The derivatives on the disk of a node."""
    return {path for path in (node.data_dir / "cache" / "derivatives" / "entries").rglob("*") if path.is_file()}


def test_a_replaced_source_is_seen_on_both_nodes_within_two_seconds(site: Site) -> None:
    path = f"/iiif/3/map.tif/{TILE}"
    empty = [kept(node) for node in site.nodes]
    for _ in range(3):  # so that it is kept, whatever is kept at second demand only
        before = [node.get(path) for node in site.nodes]
    old = [kept(node) - other for node, other in zip(site.nodes, empty, strict=True)]
    assert any(old), "nothing was kept"
    assert [colours(answer.body) for answer in before] == [{"red"}, {"red"}]
    put(site.origin, "map.tif", tiff(solid(BLUE)))
    site.nodes[0].manage("shell", "-c", REFRESH)  # what an event of the store or a look by age does
    told = time.monotonic()

    def is_new() -> bool:
        return all(colours(answer.body) == {"blue"} for answer in (node.get(path) for node in site.nodes))

    assert wait_until(is_new, 2), [node.get(path).status for node in site.nodes]
    assert time.monotonic() - told < 3
    after = [node.get(path) for node in site.nodes]
    assert before[0].headers["ETag"] != after[0].headers["ETag"] == after[1].headers["ETag"]
    revalidated = site.nodes[1].get(path, If_None_Match=before[1].headers["ETag"])
    assert (revalidated.status, colours(revalidated.body)) == (200, {"blue"})
    with Worker(site.nodes[0]):  # on one node: it says what goes, and the other clears its own disk
        assert wait_until(lambda: not any(files & kept(node) for node, files in zip(site.nodes, old, strict=True)))
    assert [colours(node.get(path).body) for node in site.nodes] == [{"blue"}, {"blue"}]


def test_a_redis_that_is_full_stops_no_image(site: Site) -> None:
    with redis.Redis(port=site.redis.port, socket_timeout=5) as connection:
        fillers = [f"filler-{number}" for number in range(100)]
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            all(connection.set(name, bytes(200_000)) for name in fillers)
        asked = [
            (node, f"/iiif/3/other.tif/{x},0,90,90/,45/0/default.png") for node in site.nodes for x in range(0, 500, 50)
        ]
        assert statuses(ask_all(asked)) == {200: len(asked)}
        connection.delete(*fillers)
    assert site.nodes[0].get(f"/iiif/3/other.tif/{TILE}").status == 200


def test_an_origin_that_hangs_for_one_image_holds_up_no_other(site: Site) -> None:
    node = site.nodes[0]
    cached = f"/iiif/3/other.tif/{TILE}"
    assert node.get(cached).status == 200
    site.origin.fail(faults.hang, "bucket/map.tif")
    site.origin.log.clear()
    hanging = [(node, f"/iiif/3/map.tif/{x},0,77,77/,33/0/default.png") for x in range(0, 500, 25)]
    fresh = [(node, f"/iiif/3/other.tif/{x},64,70,70/,35/0/default.png") for x in range(0, 500, 100)]
    started = time.monotonic()
    answers = ask_all([*hanging, *fresh, (node, cached), (node, "/healthz")])
    assert statuses(answers[len(hanging) :]) == {200: len(fresh) + 2}
    assert set(statuses(answers[: len(hanging)])) <= {200, 502, 503, 504}, "what was read before may be served"
    assert time.monotonic() - started < 60
    site.origin.mend()
    assert wait_until(lambda: node.get(hanging[0][1]).status == 200, 20)
