"""Requests to object storage are signed with the credentials of the store: a server that checks them lets them in.

The checks are written after the services' own descriptions: AWS Signature Version 4 (as botocore signs), Google's
self-signed JSON Web Tokens, Azure's Shared Key and shared access signatures.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from images.indexes.ranges import ByteRange
from images.sources.credentials import Credentials
from images.sources.errors import SourceForbiddenError
from images.sources.location import Location
from images.sources.object_store import open_object
from tests.support.origin import Exchange, Origin

DATA = bytes(range(256)) * 40
KEY = "Karten/Plan 1 (ä).jp2"
ACCOUNT_KEY = base64.b64encode(b"a key of the account" * 3).decode()
OTHER_ACCOUNT_KEY = base64.b64encode(b"another key" * 5).decode()
SAS = "sv=2023-11-03&ss=b&srt=o&sp=r&se=2099-01-01T00%3A00%3A00Z&sig=c2lnbmF0dXJl%2Bw%3D%3D"

Check = Callable[[Exchange], bool]


@cache
def private_key(_number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def service_account(number: int) -> str:
    pem = private_key(number).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "reader@maps.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": pem.decode(),
    }
    return json.dumps(account)


def is_signed_as_s3(exchange: Exchange) -> bool:
    """The same request signed by botocore has the same signature."""
    given = exchange.headers.get("Authorization", "")
    if not given.startswith("AWS4-HMAC-SHA256 "):
        return False
    parts = dict(part.strip().split("=", 1) for part in given.removeprefix("AWS4-HMAC-SHA256 ").split(","))
    signed = {name: exchange.headers[name] for name in parts["SignedHeaders"].split(";")}
    request = AWSRequest(exchange.command, f"http://{exchange.headers['Host']}{exchange.path}", headers=signed)
    request.context["timestamp"] = exchange.headers["X-Amz-Date"]
    signer = SigV4Auth(BotoCredentials("id", "secret"), "s3", "eu-central-1")
    canonical = _s3_canonical(signer, request, exchange)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    return hmac.compare_digest(signature, parts["Signature"])


def _s3_canonical(signer: SigV4Auth, request: AWSRequest, exchange: Exchange) -> str:
    headers = signer.headers_to_sign(request)
    split = urlsplit(exchange.path)
    return "\n".join([
        exchange.command,
        split.path,
        split.query,
        signer.canonical_headers(headers) + "\n",
        signer.signed_headers(headers),
        exchange.headers["X-Amz-Content-SHA256"],
    ])  # fmt: skip


def is_signed_as_google(exchange: Exchange) -> bool:
    scheme, _, token = exchange.headers.get("Authorization", "").partition(" ")
    head, _, rest = token.partition(".")
    claims, _, signature = rest.partition(".")
    if scheme != "Bearer" or not signature:
        return False
    try:
        private_key(1).public_key().verify(
            _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        return False
    said = json.loads(_decoded(claims))
    is_ours: bool = said["iss"] == said["sub"] == "reader@maps.iam.gserviceaccount.com"
    return is_ours and bool(json.loads(_decoded(head))["alg"] == "RS256") and 0 < said["exp"] - said["iat"] <= 3600


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_signed_as_azure(exchange: Exchange) -> bool:
    """Shared Key: the string to sign is the verb, eleven headers, those of x-ms- and the resource."""
    headers = {name.lower(): value.strip() for name, value in exchange.headers.items()}
    if headers.get("content-length") == "0":
        headers["content-length"] = ""  # since version 2015-02-21
    scheme, _, given = headers.get("authorization", "").partition(" ")
    name, _, signature = given.partition(":")
    split = urlsplit(exchange.path)
    lines = [
        exchange.command,
        *(headers.get(each, "") for each in (
            "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
            "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
        )),
        *(f"{each}:{headers[each]}" for each in sorted(headers) if each.startswith("x-ms-")),
        f"/account{split.path}",
        *(f"{each.lower()}:{value}" for each, value in sorted(parse_qsl(split.query))),
    ]  # fmt: skip
    digest = hmac.digest(base64.b64decode(ACCOUNT_KEY), "\n".join(lines).encode(), hashlib.sha256)
    return scheme == "SharedKey" and name == "account" and signature == base64.b64encode(digest).decode()


def has_shared_access(exchange: Exchange) -> bool:
    return set(parse_qsl(SAS)) <= set(parse_qsl(urlsplit(exchange.path).query))


CASES: dict[str, tuple[str, Check, dict[str, str], dict[str, str]]] = {
    "s3": (
        "s3",
        is_signed_as_s3,
        {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret"},
        {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "another"},
    ),
    "gcs": (
        "gcs",
        is_signed_as_google,
        {"SERVICE_ACCOUNT_KEY": "1"},
        {"SERVICE_ACCOUNT_KEY": "2"},
    ),
    "azure": ("azure", is_signed_as_azure, {"ACCOUNT_KEY": ACCOUNT_KEY}, {"ACCOUNT_KEY": OTHER_ACCOUNT_KEY}),
    "azure-sas": ("azure", has_shared_access, {"SAS_TOKEN": SAS}, {"SAS_TOKEN": SAS.replace("c2ln", "c2lo")}),
}  # fmt: skip


def location(origin: Origin, kind: str, secrets: dict[str, str]) -> Location:
    values = {
        name: service_account(int(value)) if name == "SERVICE_ACCOUNT_KEY" else value for name, value in secrets.items()
    }
    options: dict[str, Any] = {
        "endpoint_url": origin.endpoint,
        "credentials": Credentials(f"env:{'_'.join(secrets)}", lambda _prefix: values),
        **({"region": "eu-central-1"} if kind == "s3" else {}),
        **({"account_name": "account"} if kind == "azure" else {}),
    }
    return Location(kind, "bucket", KEY, options)


@pytest.mark.parametrize("case", CASES)
def test_a_server_that_checks_signatures_lets_the_store_in(objects: Origin, case: str) -> None:
    kind, check, right, wrong = CASES[case]
    objects.put(f"bucket/{KEY}", DATA)
    checked: list[bool] = []

    def guard(exchange: Exchange) -> None:
        checked.append(check(exchange))
        exchange.deliver() if checked[-1] else exchange.error(403, "SignatureDoesNotMatch")

    objects.fail(guard)
    with open_object(location(objects, kind, right)) as reader:
        etag = reader.stat().etag
        assert reader.read_many([ByteRange(0, 10), ByteRange(9_000, 9_010)]) == [DATA[:10], DATA[9_000:9_010]]
    with open_object(location(objects, kind, right), etag) as reader:
        assert reader.read(100, 50) == DATA[100:150]
    assert len(checked) >= 3
    assert all(checked)
    checked.clear()
    with (
        pytest.raises(SourceForbiddenError) as caught,
        open_object(location(objects, kind, {**wrong, "NAME": "x"})) as reader,
    ):
        reader.read(0, 10)
    assert set(checked) == {False}
    assert not any(secret in f"{caught.value} {caught.value.technical}" for secret in wrong.values() if len(secret) > 2)
