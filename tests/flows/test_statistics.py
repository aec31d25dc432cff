"""What requests come to, as /metrics and /debug/vars tell it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client

from caching.counters import get_counters
from caching.traffic import get_traffic
from images.services.decoding import close_runner
from tests.flows.conftest import Ingest, gradient
from tests.flows.test_shortcut import STORED, Ways
from tests.images.indexes.tiff.jpeg import jpeg_tiff

pytestmark = pytest.mark.django_db(transaction=True)
KEPT = "/iiif/3/slide/full/300,/0/gray.png"


@pytest.fixture
def ways(ingest: Ingest, settings: Any, tmp_path: Path) -> Iterator[Ways]:
    close_runner()  # its counters are elsewhere
    settings.IIIF_STATISTICS_DIR = tmp_path / "statistics"
    settings.IIIF_SERVED_IMAGE_TTL = 3600.0
    settings.IIIF_DERIVATIVE_CACHE_SECOND_DEMAND_SECONDS = 0
    ingest(jpeg_tiff(np.asarray(gradient(700, 530, 90)), 256, "420", levels=2), "slide.tif", "slide")
    yield Ways()
    get_counters().let_go()


def metrics(client: Client) -> dict[str, float]:
    lines = client.get("/metrics").content.decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_every_outcome_is_counted_with_its_time_and_bytes(client: Client, ways: Ways) -> None:
    for path in (STORED, STORED, KEPT, KEPT, KEPT, "/iiif/3/slide/info.json", "/iiif/3/absent/info.json"):
        answer = ways.short_answer(path)
    etag = dict(ways.short_answer(KEPT).headers)["ETag"]
    assert ways.short_answer(KEPT, HTTP_IF_NONE_MATCH=etag).status.startswith("304")
    assert answer.status.startswith("404")
    found = metrics(client)
    expected = {"pass_through": 2, "miss": 1, "hit": 3, "information": 1, "refused": 1, "not_modified": 1}
    for outcome, count in expected.items():
        assert found[f'iiif_request_seconds_count{{outcome="{outcome}"}}'] == count, outcome
    sent = len(ways.short_answer(STORED).body)
    assert found['iiif_request_bytes_total{outcome="pass_through"}'] == 2 * sent
    assert found["iiif_derivative_cache_hits_total"] >= 3
    assert found['iiif_decode_seconds_count{kind="render"}'] >= 1
    assert found["iiif_processes"] == 1
    assert [row.name for row in get_traffic()._images.top()] == ["slide"]


def test_debug_vars_are_for_staff(client: Client, ways: Ways) -> None:
    for _ in range(3):
        ways.short_answer(KEPT)
    assert client.get("/debug/vars").status_code == 403
    client.force_login(User.objects.create_user("curator", is_staff=True))
    found = client.get("/debug/vars").json()
    assert found["CacheHit"] >= 2
    assert found["CacheMiss"] >= 1
    assert found["TransformsCount"] >= 1
    assert found["TransformsAvgTimeMS"] > 0


@pytest.mark.parametrize(
    ("address", "forwarded", "status"),
    [
        ("127.0.0.1", "", 200),
        ("127.8.9.1", "", 200),
        ("::1", "", 200),
        ("::ffff:127.0.0.1", "", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("192.0.2.1", "", 403),
        ("::ffff:192.0.2.1", "", 403),
        ("", "", 403),
        ("127.0.0.1", "192.0.2.1", 403),
        ("127.0.0.1", "127.0.0.1, 192.0.2.1", 403),
        ("192.0.2.1", "127.0.0.1", 403),
        ("127.0.0.1", "unknown", 403),
    ],
)
def test_metrics_are_for_those_who_are_near(client: Client, address: str, forwarded: str, status: int) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    response = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert response.status_code == status
    assert (b"iiif_processes" in response.content) == (status == 200)


def test_more_networks_may_read_metrics(client: Client, settings: Any) -> None:
    settings.IIIF_METRICS_NETWORKS = ["192.0.2.0/24"]
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403
    settings.IIIF_METRICS_NETWORKS = ["192.0.2.0/99"]
    assert [message.id for message in run_checks(tags=["caching"])] == ["caching.E016"]
