"""Faults from outside: processes killed in the middle of a request to a real server."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow

from tests.images.decoders.processes import wait_until
from tests.support.processes import descendants
from tests.support.server import Answer, ProductServer

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.slow]
SLOW = "/iiif/3/noise/full/{width},/0/default.avif"  # AVIF takes long to encode


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductServer]:
    folder = tmp_path_factory.mktemp("faults")
    noise = np.random.default_rng(1).integers(0, 255, (1500, 2000, 3), dtype=np.uint8)
    Pillow.fromarray(noise).save(folder / "noise.png")
    with ProductServer(folder / "data") as running:
        running.ingest(str(folder / "noise.png"), "--id", "noise")
        running.get("/iiif/3/noise/full/100,/0/default.jpg")
        yield running


def decoders(server: ProductServer) -> list[int]:
    """Process ids of decoders: children of the zygote, which is a child of the web process."""
    assert server.process is not None
    found = descendants(server.process.pid)
    forked = {pid for pid, command in found.items() if "images.decoders.zygote" in command}
    return sorted(pid for pid in forked if _parent(pid) in forked)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _in_background(server: ProductServer, path: str, answers: list[Answer]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(server.get(path, timeout=120)))
    thread.start()
    return thread


def test_kill_9_of_a_decoder_costs_one_retry(server: ProductServer) -> None:
    answers: list[Answer] = []
    thread = _in_background(server, SLOW.format(width=1400), answers)
    killed = 0
    deadline = time.monotonic() + 30
    while not killed and time.monotonic() < deadline and thread.is_alive():
        time.sleep(0.3)  # the job has begun
        for pid in decoders(server):
            if _is_busy(pid):
                os.kill(pid, signal.SIGKILL)
                killed = pid
                break
    thread.join()
    assert killed, "no decoder was seen at work"
    assert answers[0].status == 200, answers[0].body
    assert Pillow.open(BytesIO(answers[0].body)).size == (1400, 1050)
    assert server.get("/iiif/3/noise/full/101,/0/default.jpg").status == 200


def _is_busy(pid: int) -> bool:
    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    try:
        before = ticks()
        time.sleep(0.1)
        return ticks() > before
    except OSError:
        return False


def test_the_same_bytes_after_all_decoders_were_killed(server: ProductServer) -> None:
    path = "/iiif/3/noise/0,0,512,512/{},/0/default.png"
    for width in range(200, 210):
        for pid in decoders(server):
            os.kill(pid, signal.SIGKILL)
        answer = server.get(path.format(width))
        assert answer.status == 200
        assert Pillow.open(BytesIO(answer.body)).size == (width, width)


def test_followers_share_one_decode(server: ProductServer) -> None:
    before = _metrics(server)
    answers: list[Answer] = []
    path = "/iiif/3/noise/0,0,1024,1024/777,/0/default.avif"  # long enough that all of them come meanwhile
    threads = [_in_background(server, path, answers) for _ in range(24)]
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    assert len({hashlib.sha256(answer.body).hexdigest() for answer in answers}) == 1
    after = _metrics(server)
    changes = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert changes["iiif_derivative_cache_misses_total"] == 1, changes
    assert changes["iiif_decoders_jobs_total"] == 1, changes


def _metrics(server: ProductServer) -> dict[str, float]:
    lines = server.get("/metrics").body.decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}


def test_kill_9_of_the_web_worker_brings_a_new_one(server: ProductServer) -> None:
    """Its decoders go with it, and nothing that was registered or cached is lost."""
    assert server.process is not None
    path = "/iiif/3/noise/full/100,/0/default.jpg"
    before = server.get(path)
    everyone = descendants(server.process.pid)
    worker = next(pid for pid in everyone if _parent(pid) == server.process.pid)
    os.kill(worker, signal.SIGKILL)
    _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everyone))
    _wait_until(lambda: _is_up(server))
    after = server.get(path)
    assert (after.status, after.headers["ETag"], after.body) == (200, before.headers["ETag"], before.body)
    assert server.get("/iiif/3/noise/full/103,/0/default.jpg").status == 200


def _is_up(server: ProductServer) -> bool:
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)


def test_a_client_that_goes_away_ends_the_decoder_of_its_answer(server: ProductServer, tmp_path: Path) -> None:
    """In the middle of a body that is still being made: the decoder ends long before its work would."""
    source = tmp_path / "large.tif"
    noise = pyvips.Image.gaussnoise(1024, 1024, mean=128, sigma=60, seed=1).cast("uchar").copy_memory()
    noise.replicate(12, 12).copy(interpretation="b-w").tiffsave(
        str(source), compression="jpeg", tile=True, tile_width=256, tile_height=256
    )
    server.ingest(str(source), "--id", "large")
    path = "/iiif/3/large/full/6000,/0/default.png"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        received = b""
        while len(received) < 100_000:
            received += client.recv(65536)
        assert received.startswith(b"HTTP/1.1 200")
        busy = [pid for pid in decoders(server) if _is_busy(pid)]
        assert len(busy) == 1, "the body was made before the client went away"
    assert wait_until(lambda: busy[0] not in decoders(server), 5)
    assert server.get("/iiif/3/noise/full/102,/0/default.jpg").status == 200
