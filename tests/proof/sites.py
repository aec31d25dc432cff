"""Real servers whose sources lie at an origin, and many clients at once."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.proof.conftest import BUCKET, options_for, root_for
from tests.support.origin import Origin
from tests.support.server import Answer, ProductServer

_REGISTER = """
import json
from images.models import Image, Store
from images.services.ingest import image_ingest
from images.services.registration import SourceReference, image_register
stores, images = json.loads({facts!r})
for fields in stores:
    store = Store(**fields)
    store.full_clean()
    store.save()
for identifier, name in images:
    source = SourceReference(store=Store.objects.get(name=name), key=identifier)
    image = image_register(identifier, source, queue=False).image
    image_ingest(image.pk)
    image.refresh_from_db()
    assert image.state == "ready", (identifier, image.error_detail, image.error_technical)
"""


def store_fields(origin: Origin, kind: str, strategy: str, **fields: Any) -> dict[str, Any]:
    """Of a store that is named after its kind and strategy."""
    return {
        "name": f"{kind}-{strategy}", "kind": kind, "strategy": strategy, "root": root_for(kind, origin),
        "options": options_for(kind, origin), **fields,
    }  # fmt: skip


def register(node: ProductServer, stores: Sequence[dict[str, Any]], images: Iterable[tuple[str, str]]) -> None:
    """Make stores, then images by (identifier, store); the identifier is the key below the bucket."""
    node.manage("shell", "-c", _REGISTER.format(facts=json.dumps([list(stores), list(images)])))


def put(origin: Origin, identifier: str, body: bytes) -> None:
    origin.put(f"{BUCKET}/{identifier}", body)


def metrics(node: ProductServer) -> dict[str, float]:
    """By name with labels, as they stand in /metrics."""
    lines = node.get("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line and line[0] != "#"}


def grown(before: dict[str, float], after: dict[str, float], name: str) -> float:
    """By how much a metric has grown, over all its labels."""
    return sum(value - before.get(key, 0.0) for key, value in after.items() if key.partition("{")[0] == name)


def ask_all(requests: Sequence[tuple[ProductServer, str]], timeout: float = 60) -> list[Answer]:
    """All at one moment, each on a connection of its own; the answers in the order asked for."""
    start = threading.Barrier(len(requests))

    def ask(request: tuple[ProductServer, str]) -> Answer:
        node, path = request
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=timeout)
        try:
            start.wait(30)
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)
