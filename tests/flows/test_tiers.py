"""Two nodes with disks of their own and one Redis as a tier below: what is decoded, and what of it is kept."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.conftest import gradient, png_bytes
from tests.support.nodes import nodes
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import ProductServer, wait_until

pytestmark = pytest.mark.slow

Site = tuple[ProductServer, ProductServer]


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis_server: Redis) -> Iterator[Site]:
    source = tmp_path / "picture.png"
    source.write_bytes(png_bytes(gradient(1200, 900)))
    settings = {"IIIF_DERIVATIVE_CACHE_TIERS": [{"BACKEND": "disk"}, {"BACKEND": "redis"}], "IIIF_METATILE_SIZE": 0}
    with nodes(tmp_path, 2, redis=redis_server, postgres=postgres, settings=settings) as (first, second):
        first.ingest(str(source), "--id", "picture")
        yield first, second


def counted(node: ProductServer, name: str, **labels: str) -> int:
    families = text_string_to_metric_families(node.get("/metrics").body.decode())
    samples = [sample for family in families for sample in family.samples]
    return int(sum(s.value for s in samples if s.name == f"{name}_total" and labels.items() <= s.labels.items()))


def misses(site: Site) -> int:
    return sum(counted(node, "iiif_derivative_cache_misses") for node in site)


def test_500_ask_two_nodes_for_one_tile_and_it_is_decoded_once(site: Site) -> None:
    tile = "/iiif/3/picture/0,0,512,512/512,512/0/default.png"
    before = misses(site)
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda number: site[number % 2].get(tile), range(500)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert misses(site) - before == 1


def test_what_one_node_has_made_the_other_has(site: Site) -> None:
    tiles = [f"/iiif/3/picture/{x},{y},512,512/512,512/0/default.jpg" for x in (0, 512) for y in (0,)]
    bodies = [site[0].get(tile).body for tile in tiles]
    assert wait_until(lambda: counted(site[0], "iiif_derivative_tier_stored", tier="redis") >= len(tiles))
    before = misses(site)
    assert [site[1].get(tile).body for tile in tiles] == bodies
    assert misses(site) == before
    asked = counted(site[1], "iiif_derivative_tier_hits", tier="redis")
    for _ in range(3):
        assert [site[1].get(tile).body for tile in tiles] == bodies
    assert counted(site[1], "iiif_derivative_tier_hits", tier="redis") == asked
    assert counted(site[1], "iiif_derivative_tier_misses", tier="redis") == 0


def test_regions_that_nobody_foresees_are_kept_at_the_second_demand_on_any_node(site: Site) -> None:
    regions = [f"/iiif/3/picture/pct:{number}.5,7,20,20/90,/0/default.jpg" for number in range(40)]
    entries = site[0].data_dir / "cache" / "derivatives" / "entries"
    held = len(list(entries.rglob("*-*")))
    for region in regions:
        assert site[0].get(region).status == 200
    assert len(list(entries.rglob("*-*"))) == held
    before = misses(site)
    for region in regions:
        assert site[1].get(region).status == 200
    assert misses(site) - before == len(regions)
    assert wait_until(lambda: counted(site[1], "iiif_derivative_tier_stored", tier="redis") >= len(regions))
    for region in regions:
        assert site[0].get(region).status == 200
    assert misses(site) - before == len(regions)


def test_a_purge_on_one_node_is_one_on_both(site: Site, redis_server: Redis) -> None:
    tile = "/iiif/3/picture/0,0,512,512/512,512/0/default.png"
    for node in site:
        for _ in range(3):
            assert node.get(tile).status == 200
    site[0].manage("purge_cache", "--all")
    before = misses(site)
    assert site[0].get(tile).status == 200
    assert misses(site) - before == 1


@pytest.mark.parametrize("fault", ["stop", "halt"])
def test_a_tier_that_is_away_costs_nobody_an_answer(site: Site, redis_server: Redis, fault: str) -> None:
    tiles = [f"/iiif/3/picture/{x},0,256,256/256,256/0/default.jpg" for x in range(0, 1024, 256)]
    getattr(redis_server, fault)()
    answers = [node.get(tile) for tile in tiles for node in site]
    assert {answer.status for answer in answers} == {200}
    redis_server.go_on()
    if fault == "stop":
        redis_server.start()
    stored = counted(site[0], "iiif_derivative_tier_stored", tier="redis")
    places = itertools.product(("color", "gray", "bitonal"), ("jpg", "png", "webp"), range(0, 1024, 256), (256, 512))
    fresh = (f"/iiif/3/picture/{x},{y},256,256/256,256/0/{quality}.{kind}" for quality, kind, x, y in places)

    def is_kept_again() -> bool:
        time.sleep(0.5)  # there are some 70 tiles, and the tier is tried again after ten seconds
        assert site[0].get(next(fresh)).status == 200
        return counted(site[0], "iiif_derivative_tier_stored", tier="redis") > stored

    assert wait_until(is_kept_again)
