"""What every answer needs: CORS on IIIF paths, proxies that may be believed, a language, a content security policy."""

import ipaddress
import logging
from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import resolve
from django.utils import translation

from iiifserver.postgresql.patience import waiting_for
from images.views.counting import answered_by, counted_as, is_counted
from images.views.errors import error_response
from images.views.headers import IIIF_HEADERS, is_iiif_path

GetResponse = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_API = "/api/"
_API_PAGE = "/api/v1/docs/"
FORWARDED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")
_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


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
            with waiting_for(settings.IIIF_DATABASE_PAGE_SECONDS):
                return self.get_response(request)
        response = self._answer(request)
        if not is_counted(response):
            counted_as(response, answered_by(response))
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - by the view, in one line
        for name, value in IIIF_HEADERS:
            response[name] = value
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


class TrustedProxies:
    """X-Forwarded-Proto, -Host and -Port are believed from IIIF_TRUSTED_PROXIES only."""

    def __init__(self) -> None:
        self.networks = [ipaddress.ip_network(text, strict=False) for text in settings.IIIF_TRUSTED_PROXIES]

    def believe(self, request: HttpRequest) -> None:
        """Take what a trusted proxy says into the request, and what anyone else says out of it."""
        forwarded = {name: request.META.pop(name, "") for name in FORWARDED}
        if any(forwarded.values()) and self._is_trusted(request.META.get("REMOTE_ADDR", "")):
            # The last value is the one that our own proxy wrote; the ones before may come from anybody.
            self._apply(request, {name: value.split(",")[-1].strip() for name, value in forwarded.items()})

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)

    @staticmethod
    def _apply(request: HttpRequest, forwarded: dict[str, str]) -> None:
        proto, host, port = (forwarded[name] for name in FORWARDED)
        if proto in {"http", "https"}:
            request.META["HTTP_X_FORWARDED_PROTO"] = proto
            request.META["wsgi.url_scheme"] = proto
        if host:
            is_standard = port in {"", "80", "443"} or ":" in host.rpartition("]")[2]
            request.META["HTTP_HOST"] = host if is_standard else f"{host}:{port}"


class TrustedProxyMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.proxies = TrustedProxies()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        self.proxies.believe(request)
        return self.get_response(request)


class PageLanguageMiddleware(LocaleMiddleware):
    """Pages in the reader's language; programs, which read the API, are always answered in that of the settings.

    The language ends with the request: else the thread would speak it to whoever comes next, IIIF clients too.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            if request.path_info.startswith(_API) and request.path_info != _API_PAGE:
                translation.activate(settings.LANGUAGE_CODE)
                return cast("HttpResponseBase", self.get_response(request))
            return cast("HttpResponseBase", super().__call__(request))
        finally:
            translation.deactivate()


class ContentSecurityPolicyMiddleware:
    """Pages load only what this server serves; static files carry the same policy and need none of their own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", _PAGE_POLICY)
        return response
