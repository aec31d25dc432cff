"""A bucket of the test's own, as the options of a tier."""

import secrets
from typing import Any

from tests.support.moto import Moto


def bucket_options(moto: Moto) -> dict[str, Any]:
    name = f"tier-{secrets.token_hex(8)}"
    moto.make_bucket(name)
    config = {
        "endpoint": moto.endpoint,
        "region": "us-east-1",
        "access_key_id": "testing",
        "secret_access_key": "testing",
        "virtual_hosted_style_request": False,
        "client_options": {"allow_http": True},
    }
    return {"url": f"s3://{name}/kept", "config": config}
