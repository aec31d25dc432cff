"""The REST API of a real server: many at once, and whatever a generator of requests thinks of."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.server import PROJECT, ProductServer

pytestmark = pytest.mark.slow

_SETTINGS = """
from iiifserver.settings.development import *
IIIF_API_RATES = {"anonymous": "100000/min", "read": "100000/min", "write": "100000/min"}
"""
_CHECKS = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductServer]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "unhurried_settings.py").write_text(_SETTINGS)
    environment = {
        "DJANGO_SETTINGS_MODULE": "unhurried_settings",
        "PYTHONPATH": f"{folder}:{PROJECT}",
        "IIIF_ADMIN_PASSWORD": "only-for-this-test",
    }
    with ProductServer(folder / "data", environment) as server:
        yield server


@pytest.fixture(scope="module")
def authorization(server: ProductServer) -> str:
    secret = server.manage("create_token", "test", "--user", "admin", "--scope", "admin").stdout.strip()
    return f"Bearer {secret}"


def test_of_many_at_once_one_registers(server: ProductServer, authorization: str) -> None:
    body = json.dumps({"identifier": "once", "source": {"url": "http://127.0.0.1:1/a.tif"}}).encode()

    def register(_number: int) -> int:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.url}/api/v1/images/", body, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(register, range(8))) == [200] * 7 + [202]


def test_generated_requests_find_no_fault(server: ProductServer, authorization: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/api/v1/schema/?format=json",
        "--header", f"Authorization: {authorization}", "--checks", _CHECKS,
        "--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1", "--request-timeout", "30", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-6000:]
