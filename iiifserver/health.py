"""/healthz: the process is alive. /readyz: it can serve, part by part. /metrics: Prometheus."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from iiifserver.celery import app
from iiifserver.metrics import build_registry
from images.services.decoding import get_runner

_NOT_NEEDED_TO_SERVE = frozenset({"broker", "cache"})  # images are served without them


def healthz_view(_request: HttpRequest) -> HttpResponse:
    return _uncached(JsonResponse({"status": "alive"}))


def readyz_view(_request: HttpRequest) -> HttpResponse:
    """200 where images can be served; each part with its state. A missing broker or cache slows, it does not stop."""
    parts = {name: _state(check) for name, check in _CHECKS.items()}
    ready = all(parts[name] == "ok" for name in parts if name not in _NOT_NEEDED_TO_SERVE)
    body = {"status": "ready" if ready else "not ready", "parts": parts}
    return _uncached(JsonResponse(body, status=200 if ready else 503))


def metrics_view(_request: HttpRequest) -> HttpResponse:
    return _uncached(HttpResponse(generate_latest(build_registry()), content_type=CONTENT_TYPE_LATEST))


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - a health check reports whatever is wrong
        return f"failed: {type(error).__name__}"
    return "ok"


def _check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _check_cache() -> None:
    root = Path(settings.IIIF_DERIVATIVE_CACHE_BACKEND.get("OPTIONS", {}).get("root", settings.IIIF_DATA_DIR))
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=root) as file:
        file.write(b"ready?")
    if shutil.disk_usage(root).free < 64 * 2**20:
        raise OSError("less than 64 MiB are free")


def _check_broker() -> None:
    with app.connection_for_write(connect_timeout=1) as broker:
        broker.ensure_connection(max_retries=1, timeout=1)


def _check_decoders() -> None:
    get_runner().stats()


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _check_database,
    "cache": _check_cache,
    "broker": _check_broker,
    "decoders": _check_decoders,
}
