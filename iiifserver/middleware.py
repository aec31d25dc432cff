"""What every answer needs: CORS on IIIF paths, proxies that may be believed, a content security policy."""

import ipaddress
import logging
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import resolve

from images.views.errors import error_response

GetResponse = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_EXPOSED = "Link, ETag, Last-Modified, Content-Disposition, Content-Length, Location, Retry-After"
_FORWARDED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")
_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_IIIF_POLICY = "default-src 'none'; sandbox"


def is_iiif_path(path: str) -> bool:
    return path.startswith("/iiif/")


class IIIFMiddleware:
    """Answers IIIF paths at once: they know no session, language or form, so nothing below this is asked.

    CORS is on every answer, errors, redirects and 304 included (Image API 3.0 section 7.1 and 9).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in _PROBES:  # asked by address, not by host name
            return self._answer(request)
        if not is_iiif_path(request.path_info):
            return self.get_response(request)
        response = self._answer(request)
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - by the view, in one line
        response["Access-Control-Allow-Origin"] = "*"
        response["Access-Control-Expose-Headers"] = _EXPOSED
        response["Content-Security-Policy"] = _IIIF_POLICY
        response["Cross-Origin-Resource-Policy"] = "cross-origin"
        response["X-Content-Type-Options"] = "nosniff"
        return response

    @staticmethod
    def _answer(request: HttpRequest) -> HttpResponseBase:
        try:
            match = resolve(request.path_info)
            request.resolver_match = match
            response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        except Http404:
            return error_response(404, "not_found", "There is nothing at this address.")
        except DisallowedHost:
            return error_response(400, "unknown_host", "This server is not reached under that host name.")
        except SuspiciousOperation:
            return error_response(400, "bad_request", "The request has too many or malformed arguments.")
        except Exception:
            logger.exception("an IIIF request failed", extra={"path": request.path_info[:500]})
            return error_response(500, "internal_error", "The fault is ours and was recorded.")
        return response


class TrustedProxyMiddleware:
    """Believe X-Forwarded-Proto, -Host and -Port from IIIF_TRUSTED_PROXIES only; remove them from anyone else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.networks = [ipaddress.ip_network(text, strict=False) for text in settings.IIIF_TRUSTED_PROXIES]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        forwarded = {name: request.META.pop(name, "") for name in _FORWARDED}
        if any(forwarded.values()) and self._is_trusted(request.META.get("REMOTE_ADDR", "")):
            # The last value is the one that our own proxy wrote; the ones before may come from anybody.
            self._apply(request, {name: value.split(",")[-1].strip() for name, value in forwarded.items()})
        return self.get_response(request)

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)

    @staticmethod
    def _apply(request: HttpRequest, forwarded: dict[str, str]) -> None:
        proto, host, port = (forwarded[name] for name in _FORWARDED)
        if proto in {"http", "https"}:
            request.META["HTTP_X_FORWARDED_PROTO"] = proto
            request.META["wsgi.url_scheme"] = proto
        if host:
            is_standard = port in {"", "80", "443"} or ":" in host.rpartition("]")[2]
            request.META["HTTP_HOST"] = host if is_standard else f"{host}:{port}"


class ContentSecurityPolicyMiddleware:
    """Pages load only what this server serves; static files carry the same policy and need none of their own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", _PAGE_POLICY)
        return response
