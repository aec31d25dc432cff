"""Stores that hang: a bounded number of threads wait for them, and whatever lies elsewhere is answered as ever."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.proof.pictures import WAYS, textured
from tests.proof.sites import put, register, store_fields
from tests.support import faults
from tests.support.origin import Exchange, Origin
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stalls")]

CLIENTS = 64
STORES = ("hung", "stuck")
BOUND = 8
TOTAL = 12
"""Less than both stores would hold, had each its own bound alone; their shares are 6 and 3."""
ROUNDS = 4
SETTINGS = {
    "IIIF_SOURCE_WAITING": BOUND,
    "IIIF_SOURCE_WAITING_TOTAL": TOTAL,
    "IIIF_STORE_READ_SECONDS": 4.0,
    "IIIF_STORE_RETRIES": 0,
    "IIIF_SOURCE_FAILURE_TTL": 0.1,
    "IIIF_SOURCE_REST_SECONDS": 1.0,
    "IIIF_BLOCK_CACHE_MEMORY_BYTES": 0,
    "IIIF_BLOCK_CACHE_DISK_BYTES": 0,
}
HANGING = [f"{store}-{number}.tif" for number in range(8) for store in STORES]
FINE = [f"fine-{number}.tif" for number in range(8)]


def tile(identifier: str, number: int) -> str:
    return f"/iiif/3/{identifier}/{number % 64},{number // 64},100,100/100,100/0/default.png"


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[tuple[ProductServer, Origin, Origin]]:
    with (
        Origin() as hanging,
        Origin() as fine,
        ProductServer(tmp_path / "data", settings=SETTINGS) as server,
    ):
        body = WAYS["tif"](textured(3))
        for name in HANGING:
            put(hanging, name, body)
        for name in FINE:
            put(fine, name, body)
        stores = [
            *({**store_fields(hanging, "s3", "stream"), "name": name} for name in STORES),
            {**store_fields(fine, "s3", "stream"), "name": "fine"},
        ]
        register(server, stores, [(name, name.partition("-")[0]) for name in (*HANGING, *FINE)])
        server.stop()  # the registration has read the sources on this disk
        shutil.rmtree(server.data_dir / "cache")
        server.start()
        yield server, hanging, fine


def test_many_clients_of_two_stores_that_hang_hold_up_nobody_else(hung: tuple[ProductServer, Origin, Origin]) -> None:
    server, hanging, _fine = hung
    lock, over = threading.Lock(), threading.Event()
    waiting: Counter[str] = Counter()
    most, refused = 0, []

    def hang(exchange: Exchange) -> None:
        nonlocal most
        store = exchange.key.partition("/")[2].partition("-")[0]
        with lock:
            waiting[store] += 1
            most = max(most, waiting.total())
        try:
            faults.hang(exchange)
        finally:
            with lock:
                waiting[store] -= 1

    hanging.fail(hang)

    def insist(number: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            answer = server.get(tile(HANGING[number % len(HANGING)], CLIENTS * count + number))
            refused.append((answer.status, "Retry-After" in answer.headers))
            over.wait(0.05)

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = [pool.submit(insist, number) for number in range(CLIENTS)]
        try:
            assert wait_until(lambda: set(waiting) == set(STORES) and (503, True) in refused, 30)
            fine = [server.get(tile(name, turn)).status for turn in range(ROUNDS) for name in FINE]
            assert wait_until(lambda: len(refused) > 5 * CLIENTS, 60), "left alone, it is answered for at once"
            fine += [server.get(tile(name, ROUNDS)).status for name in FINE]
        finally:
            over.set()
            hanging.mend()
    assert [future.exception() for future in done] == [None] * CLIENTS
    assert fine == [200] * (ROUNDS + 1) * len(FINE)
    assert len(STORES) <= most <= TOTAL
    assert {status for status, _ in refused} <= {200, 502, 503}
    for name in HANGING[: len(STORES)]:
        assert wait_until(partial(_is_fine, server, name), 30), "heals by itself"


def _is_fine(server: ProductServer, name: str) -> bool:
    return server.get(tile(name, 0)).status == 200
