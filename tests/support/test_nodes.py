"""The instruments themselves: two nodes of one site know the same images and share no disk."""

from pathlib import Path

import pytest

from tests.flows.conftest import gradient, png_bytes
from tests.support.nodes import Worker, nodes
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.server import wait_until

pytestmark = pytest.mark.slow


def test_two_nodes_one_site(tmp_path: Path, postgres: Postgres, redis_server: Redis) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(png_bytes(gradient(300, 200)))
    settings = {"IIIF_CACHE_CONTROL_IMAGE": "public, max-age=77"}
    with nodes(tmp_path, 2, redis=redis_server, postgres=postgres, settings=settings) as (first, second):
        assert first.data_dir != second.data_dir
        with Worker(second):
            first.manage("ingest", str(picture), "--id", "picture")
            assert wait_until(lambda: first.get("/iiif/3/picture/info.json").status == 200)
        answers = [node.get("/iiif/3/picture/full/100,/0/default.png") for node in (first, second)]
        assert {answer.status for answer in answers} == {200}
        assert answers[0].body == answers[1].body
        assert {answer.headers["Cache-Control"] for answer in answers} == {"public, max-age=77"}
        assert postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'test%'") != "0"
