"""Connections to object storage: one client a bucket and process, with its limits."""

import asyncio
import contextlib
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from images.sources.credentials import NO_CREDENTIALS, Credentials, Secrets
from images.sources.errors import SourceNotAllowedError
from images.sources.location import Location

_CLIENTS = 256
_CLIENT_SECONDS = 300.0  # then credentials are read anew: they may have been replaced
_BACKOFF: Any = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2}
_WHOLE_REQUEST_SECONDS = 3600  # what bounds a request is its reader's deadline, by the bytes that it asks for


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """The options of a location in object storage.

    `connect_seconds` bounds each attempt to connect, `read_seconds` each wait for more of an answer, `total_seconds` a
    read as a whole, besides the time that its bytes take. A request that fails for a passing reason is tried `retries`
    times more, with growing pauses of random length, for at most `retry_seconds`.
    """

    connect_seconds: float = 2.0
    read_seconds: float = 5.0
    total_seconds: float = 20.0
    retries: int = 3
    retry_seconds: float = 10.0
    region: str = ""
    endpoint_url: str = ""
    addressing_style: str = ""
    account_name: str = ""
    anonymous: bool = False
    request_payer: bool = False
    versioned: bool = False
    credentials: Credentials = NO_CREDENTIALS


class ObjectClient:
    """A bucket as this process reaches it. The limits hold on the event loop, where all requests are made."""

    def __init__(self, store: ObjectStore, secrets: Secrets, connections: int, bytes_per_second: int | None) -> None:
        self.store = store
        self.secrets = secrets
        self._turns = asyncio.Semaphore(connections)
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0
        self.built = time.monotonic()

    @contextlib.asynccontextmanager
    async def turn(self, length: int) -> AsyncIterator[None]:
        """Hold one of the connections for a request of `length` bytes, once the bandwidth is there."""
        async with self._turns:
            if self._bytes_per_second:
                starts = max(time.monotonic(), self._free_at)
                self._free_at = starts + length / self._bytes_per_second
                await asyncio.sleep(starts - time.monotonic())
            yield


class _Clients:
    """The clients used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: OrderedDict[str, ObjectClient] = OrderedDict()

    def get(self, location: Location) -> ObjectClient:
        options = ObjectOptions(**location.options)
        name = _client_name(location)
        with self._lock:
            client = self._clients.get(name)
            if client is not None and time.monotonic() - client.built < _CLIENT_SECONDS:
                self._clients.move_to_end(name)
                return client
        retrieval = location.retrieval
        secrets = options.credentials.values()
        store = _build(location.kind, location.root.partition("/")[0], options, secrets)
        client = ObjectClient(store, secrets, retrieval.max_connections, retrieval.max_bytes_per_second)
        with self._lock:
            self._clients[name] = client
            if len(self._clients) > _CLIENTS:
                self._clients.popitem(last=False)
        return client

    def forget(self, location: Location) -> None:
        with self._lock:
            self._clients.pop(_client_name(location), None)

    def clear(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it when this process was forked
        self._clients = OrderedDict()


_clients = _Clients()
os.register_at_fork(after_in_child=_clients.clear)


def object_client(location: Location) -> ObjectClient:
    """The client for a location, built on first use. Raises SourceError."""
    try:
        return _clients.get(location)
    except (TypeError, ValueError) as error:
        raise SourceNotAllowedError("The store is not set up rightly.", type(error).__name__) from None


def forget_client(location: Location) -> None:
    """Let the next use read the credentials anew."""
    _clients.forget(location)


def _client_name(location: Location) -> str:
    options = {name: value for name, value in location.options.items() if name != "credentials"}
    credentials: Credentials = location.options.get("credentials", NO_CREDENTIALS)
    retrieval = location.retrieval
    bucket = location.root.partition("/")[0]
    limits = (retrieval.store, retrieval.max_connections, retrieval.max_bytes_per_second)
    return json.dumps([location.kind, bucket, options, credentials.reference, *limits], sort_keys=True)


def _build(kind: str, bucket: str, options: ObjectOptions, secrets: Mapping[str, str]) -> ObjectStore:
    common: dict[str, Any] = {
        "client_options": {
            "connect_timeout": timedelta(seconds=options.connect_seconds),
            "read_timeout": timedelta(seconds=options.read_seconds),
            "timeout": timedelta(seconds=_WHOLE_REQUEST_SECONDS),
            "allow_http": options.endpoint_url.startswith("http://"),
            "user_agent": "iiifserver",
        },
        "retry_config": {
            "max_retries": options.retries,
            "retry_timeout": timedelta(seconds=options.retry_seconds),
            "backoff": _BACKOFF,
        },
    }
    match kind:
        case "s3":
            return S3Store(bucket, config=_given(_s3_config(bucket, options, secrets)), **common)
        case "gcs":
            return GCSStore(bucket, config=_given(_gcs_config(options, secrets)), **common)
    return AzureStore(bucket, config=_given(_azure_config(options, secrets)), **common)


def _s3_config(bucket: str, options: ObjectOptions, secrets: Mapping[str, str]) -> dict[str, Any]:
    style = options.addressing_style or ("path" if options.endpoint_url else "virtual")
    return {
        "region": options.region or ("us-east-1" if options.endpoint_url else ""),
        "endpoint": _s3_endpoint(options.endpoint_url, bucket, style),
        "virtual_hosted_style_request": style == "virtual",
        "access_key_id": secrets.get("ACCESS_KEY_ID"),
        "secret_access_key": secrets.get("SECRET_ACCESS_KEY"),
        "session_token": secrets.get("SESSION_TOKEN"),
        "skip_signature": options.anonymous,
        "request_payer": options.request_payer,
    }


def _s3_endpoint(url: str, bucket: str, style: str) -> str:
    """With virtual addressing, the library wants the bucket in the host's name already."""
    scheme, separator, host = url.rstrip("/").partition("://")
    return f"{scheme}://{bucket}.{host}" if separator and style == "virtual" else f"{scheme}{separator}{host}"


def _gcs_config(options: ObjectOptions, secrets: Mapping[str, str]) -> dict[str, Any]:
    return {
        "base_url": options.endpoint_url.rstrip("/"),
        "service_account_key": secrets.get("SERVICE_ACCOUNT_KEY"),
        "skip_signature": options.anonymous,
    }


def _azure_config(options: ObjectOptions, secrets: Mapping[str, str]) -> dict[str, Any]:
    return {
        "account_name": options.account_name,
        "endpoint": options.endpoint_url.rstrip("/"),
        "account_key": secrets.get("ACCOUNT_KEY"),
        "sas_key": secrets.get("SAS_TOKEN"),
        "client_id": secrets.get("CLIENT_ID"),
        "client_secret": secrets.get("CLIENT_SECRET"),
        "tenant_id": secrets.get("TENANT_ID"),
        "skip_signature": options.anonymous,
    }


def _given(values: dict[str, Any]) -> Any:
    """Without what was left empty: it is then looked for where the cloud's own tools do."""
    return {name: value for name, value in values.items() if value not in ("", None, False)}
