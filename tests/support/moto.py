"""An S3 that keeps to the letter of it, for correctness; for latency and faults there is `origin`."""

import importlib.util
import sys
import urllib.request

import obstore
import pytest
from obstore.store import S3Store

from tests.support.services import Service

# Any credentials do.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


class Moto(Service):
    def __init__(self) -> None:
        if importlib.util.find_spec("moto") is None:
            pytest.skip("moto is not installed")
        super().__init__()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **CREDENTIALS}

    def make_bucket(self, name: str) -> None:
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def store(self, bucket: str) -> S3Store:
        return S3Store(
            bucket, endpoint=self.endpoint, region="us-east-1", access_key_id="testing", secret_access_key="testing",
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip

    def put(self, bucket: str, key: str, data: bytes) -> None:
        obstore.put(self.store(bucket), key, data)
