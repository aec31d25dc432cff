"""A store that hangs: a bounded number of threads wait for it, and whatever lies elsewhere is answered as ever."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.proof.pictures import WAYS, textured
from tests.proof.sites import put, register, store_fields
from tests.support import faults
from tests.support.origin import Exchange, Origin
from tests.support.server import ProductServer, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stalls")]

CLIENTS = 32
BOUND = 4
ROUNDS = 4
SETTINGS = {
    "IIIF_SOURCE_WAITING": BOUND,
    "IIIF_STORE_READ_SECONDS": 4.0,
    "IIIF_STORE_RETRIES": 0,
    "IIIF_SOURCE_FAILURE_TTL": 0.1,
    "IIIF_SOURCE_REST_SECONDS": 1.0,
    "IIIF_BLOCK_CACHE_MEMORY_BYTES": 0,
    "IIIF_BLOCK_CACHE_DISK_BYTES": 0,
}
HANGING = [f"hung-{number}.tif" for number in range(CLIENTS)]
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
            {**store_fields(hanging, "s3", "stream"), "name": "hanging"},
            {**store_fields(fine, "s3", "stream"), "name": "fine"},
        ]
        register(server, stores, [*((name, "hanging") for name in HANGING), *((name, "fine") for name in FINE)])
        server.stop()  # the registration has read the sources on this disk
        shutil.rmtree(server.data_dir / "cache")
        server.start()
        yield server, hanging, fine


def test_many_clients_of_a_store_that_hangs_hold_up_nobody_else(hung: tuple[ProductServer, Origin, Origin]) -> None:
    server, hanging, _fine = hung
    lock, over = threading.Lock(), threading.Event()
    waiting, most, refused = 0, 0, []

    def hang(exchange: Exchange) -> None:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        try:
            faults.hang(exchange)
        finally:
            with lock:
                waiting -= 1

    hanging.fail(hang)

    def insist(number: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            answer = server.get(tile(HANGING[number], count))
            refused.append((answer.status, "Retry-After" in answer.headers))
            over.wait(0.05)

    with ThreadPoolExecutor(CLIENTS) as pool:
        done = [pool.submit(insist, number) for number in range(CLIENTS)]
        try:
            assert wait_until(lambda: (503, True) in refused, 30)
            fine = [server.get(tile(name, turn)).status for turn in range(ROUNDS) for name in FINE]
            assert wait_until(lambda: len(refused) > 10 * CLIENTS, 60), "left alone, it is answered for at once"
            fine += [server.get(tile(name, ROUNDS)).status for name in FINE]
        finally:
            over.set()
            hanging.mend()
    assert [future.exception() for future in done] == [None] * CLIENTS
    assert fine == [200] * (ROUNDS + 1) * len(FINE)
    assert 1 <= most <= BOUND
    assert {status for status, _ in refused} <= {200, 502, 503}
    assert wait_until(lambda: server.get(tile(HANGING[0], 0)).status == 200, 30), "heals by itself"
