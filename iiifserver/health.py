"""/healthz: the process is alive. /readyz: it can serve, part by part. /metrics: Prometheus."""

import ipaddress
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from caching.conf import conf as caching_conf
from caching.totals import Totals, read_totals
from iiifserver.celery import app
from iiifserver.metrics import build_registry
from images.services.decoding import get_runner

_NOT_NEEDED_TO_SERVE = frozenset({"broker", "cache"})  # images are served without them


def healthz_view(_request: HttpRequest) -> HttpResponse:
    return _uncached(JsonResponse({"status": "alive"}))


def readyz_view(_request: HttpRequest) -> HttpResponse:
    """200 where images can be served; each part with its state. A missing broker or cache slows, it does not stop."""
    parts = part_states()
    ready = all(parts[name] == "ok" for name in parts if name not in _NOT_NEEDED_TO_SERVE)
    body = {"status": "ready" if ready else "not ready", "parts": parts}
    return _uncached(JsonResponse(body, status=200 if ready else 503))


def part_states() -> dict[str, str]:
    """Each part with "ok", or with what is wrong."""
    return {name: _state(check) for name, check in _CHECKS.items()}


def metrics_view(request: HttpRequest) -> HttpResponse:
    """To IIIF_METRICS_NETWORKS only."""
    if not _is_near(request):
        return _uncached(HttpResponse("Not from here.\n", status=403, content_type="text/plain"))
    return _uncached(HttpResponse(generate_latest(build_registry()), content_type=CONTENT_TYPE_LATEST))


def _is_near(request: HttpRequest) -> bool:
    """Whether the peer, and whoever stood before it as far as a proxy says, are in the networks.

    Anybody may write X-Forwarded-For, so it narrows and never widens.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    texts = [request.META.get("REMOTE_ADDR", ""), *(forwarded.split(",") if forwarded else ())]
    networks = caching_conf.metrics_networks
    try:
        addresses = [ipaddress.ip_address(text.strip()) for text in texts]
    except ValueError:
        return False
    plain = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
    return all(any(address in network for network in networks) for address in plain)


def debug_vars_view(request: HttpRequest) -> HttpResponse:
    """The counters of go-iiif's /debug/vars, by its names, for those who watch them; to staff only."""
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        return _uncached(HttpResponse("Staff only.\n", status=403, content_type="text/plain"))
    return _uncached(JsonResponse(debug_vars(read_totals(caching_conf.statistics_folder))))


def debug_vars(totals: Totals) -> dict[str, float]:
    timings = totals.timings_of("iiif_decode_seconds").values()
    jobs, seconds = sum(timing.count for timing in timings), sum(timing.seconds for timing in timings)
    names = {"CacheHit": "hits", "CacheMiss": "misses", "CacheSet": "stored"}
    counts = {theirs: sum(totals.of(f"iiif_derivative_cache_{ours}").values()) for theirs, ours in names.items()}
    return {**counts, "TransformsCount": jobs, "TransformsAvgTimeMS": 1000 * seconds / jobs if jobs else 0.0}


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
    root = Path(caching_conf.tiers[0].get("OPTIONS", {}).get("root", caching_conf.derivative_folder))
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
