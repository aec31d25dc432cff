"""Hundreds of cold requests in several processes, just started, cost a store what one costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.support.origin import Origin

BODY = b"II*\0" + bytes(range(256)) * 8_000
WORKER = """
import sys
import django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from images.indexes.ranges import ByteRange
from images.sources.location import Location, Retrieval, Strategy
from images.sources.registry import open_source
endpoint, etag, strategy = sys.argv[1:]
options = {"endpoint_url": endpoint, "anonymous": True}
location = Location("s3", "bucket", "map.tif", options, Retrieval(store="shelf", strategy=Strategy(strategy)))
ranges = [ByteRange(number * 100_000, number * 100_000 + 5_000) for number in range(12)]
body = b"II*\\0" + bytes(range(256)) * 8_000
def ask(_number):
    with open_source(location, etag) as reader:
        return reader.read_many(ranges) == [body[one.start : one.stop] for one in ranges]
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(24) as pool:
    assert all(pool.map(ask, range(100)))
"""


@pytest.mark.parametrize(
    ("strategy", "expected"), [("stream", 12 * 5_000), ("cache", len(BODY)), ("memory", 3 * len(BODY))]
)
def test_three_hundred_requests_in_three_processes(
    objects: Origin, tmp_path: Path, strategy: str, expected: int
) -> None:
    stored = objects.put("bucket/map.tif", BODY)
    objects.conditions.rtt = 0.03
    settings = {"DJANGO_SETTINGS_MODULE": "iiifserver.settings.test", "IIIF_DATA_DIR": str(tmp_path)}
    arguments = [objects.endpoint, f"{len(BODY):x}-{stored.etag}", strategy]
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, *arguments],
            cwd=PROJECT,
            env={**os.environ, **settings, "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    assert objects.log.sent() == expected
    assert objects.log.count(method="HEAD") == 0
