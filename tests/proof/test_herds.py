"""Many clients at one moment on what nobody has asked for yet: each byte is fetched once, each metatile made once."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.proof.sites import ask_all, grown, metrics, put, register, statuses, store_fields
from tests.proof.test_rounds import make_jp2
from tests.support.nodes import nodes
from tests.support.objects import Visit
from tests.support.origin import Origin
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import ProductServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("herds")]

IMAGES = 6
TILE = "512,512,512,512/512,512/0/default.jpg"
EVERY_TILE = [
    f"{x},{y},{512 * step},{512 * step}/512,512/0/default.jpg"
    for step in (1, 2)
    for y in range(0, 1536 - 512 * step + 1, 512 * step)
    for x in range(0, 2048, 512 * step)
]
RTT = 0.05


@dataclass
class Herd:
    origin: Origin
    nodes: list[ProductServer]
    unused: list[str]  # identifiers that nobody has asked for

    def clear(self) -> None:
        self.origin.log.clear()


@pytest.fixture(scope="module", params=[1, 2], ids=["one node", "two nodes"])
def herd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Herd]:
    folder = tmp_path_factory.mktemp("herd")
    body = make_jp2()
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        origin.conditions.rtt = RTT
        services = {}
        if request.param > 1:
            services = {"redis": stack.enter_context(Redis()), "postgres": stack.enter_context(Postgres())}
        running = stack.enter_context(nodes(folder, request.param, **services))  # type: ignore[arg-type]
        names = [f"map-{number}.jp2" for number in range(IMAGES)]
        for name in names:
            put(origin, name, body)
        register(running[0], [store_fields(origin, "s3", "stream")], [(name, "s3-stream") for name in names])
        for node in running:  # the registration has read the sources on the first node's disk
            node.stop()
            for kept in ("sources", "derivatives"):
                shutil.rmtree(node.data_dir / "cache" / kept, ignore_errors=True)
            node.start()
        yield Herd(origin, running, names)


def most_fetches(visits: list[Visit]) -> int:
    """How often the byte came that came most often."""
    ranges = [visit.byte_range for visit in visits if visit.byte_range is not None]
    return max(Counter(at for one in ranges for at in range(*one)).values(), default=0)


@pytest.mark.parametrize("clients", [24, 500])
def test_one_cold_tile(herd: Herd, clients: int) -> None:
    name = herd.unused.pop()
    herd.clear()
    before = [metrics(node) for node in herd.nodes]
    answers = ask_all([(herd.nodes[n % len(herd.nodes)], f"/iiif/3/{name}/{TILE}") for n in range(clients)])
    assert statuses(answers) == {200: clients}
    assert len({hashlib.sha256(answer.body).digest() for answer in answers}) == 1
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    decodes = [
        grown(old, metrics(node), "iiif_decoders_jobs_total") for old, node in zip(before, herd.nodes, strict=True)
    ]
    assert max(decodes) == 1, decodes
    assert herd.origin.log.count(method="HEAD") == 0
    assert 1 <= most_fetches(herd.origin.log.visits()) <= len(herd.nodes)


def test_many_cold_tiles_of_one_image(herd: Herd) -> None:
    name = herd.unused.pop()
    herd.clear()
    before = [metrics(node) for node in herd.nodes]
    asked = [
        (herd.nodes[number % len(herd.nodes)], f"/iiif/3/{name}/{tile}")
        for tile in EVERY_TILE
        for number in range(500 // len(EVERY_TILE))
    ]
    answers = ask_all(asked)
    assert statuses(answers) == {200: len(asked)}
    bodies: dict[str, set[bytes]] = {}
    for (_node, path), answer in zip(asked, answers, strict=True):
        bodies.setdefault(path, set()).add(answer.body)
    assert {len(found) for found in bodies.values()} == {1}
    for old, node in zip(before, herd.nodes, strict=True):
        assert 1 <= grown(old, metrics(node), "iiif_decoders_jobs_total") <= len(EVERY_TILE)
    assert 1 <= most_fetches(herd.origin.log.visits()) <= len(herd.nodes)
