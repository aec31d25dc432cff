"""What is answered when something goes wrong: JSON to IIIF clients, a page to people.

The pages need neither a context nor the database: the fault may lie there.
"""

import sys

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views import defaults

from images.views.errors import error_response

_DATABASE_DOWN = (OperationalError, InterfaceError, InternalError)
"""Not what the program did wrong: those are ProgrammingError, DataError and IntegrityError."""
_RETRY_SECONDS = 5


def bad_request_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_iiif(request):
        return error_response(400, "bad_request", "The request is malformed.")
    return defaults.bad_request(request, exception)


def forbidden_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_iiif(request):
        return error_response(403, "forbidden", "You may not see this.")
    return defaults.permission_denied(request, exception)


def not_found_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_iiif(request):
        return error_response(404, "not_found", "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error_view(request: HttpRequest) -> HttpResponse:
    """A database that is down or read-only is no fault of the program: 503 (Django calls this as it handles it)."""
    if isinstance(sys.exc_info()[1], _DATABASE_DOWN):
        return _without_database(request)
    if _is_iiif(request):
        return error_response(500, "server_error", "The fault is ours and was recorded.")
    return defaults.server_error(request)


def _without_database(request: HttpRequest) -> HttpResponse:
    detail = "The database cannot be reached or written just now."
    if _is_iiif(request) or request.path_info.startswith("/api/"):
        return error_response(503, "database", detail, retry_after=_RETRY_SECONDS)
    title = _("Just a moment")
    text = _("The database cannot be reached or written just now. Images go on being served.")
    return HttpResponse(
        f'<!doctype html><html lang="{get_language()}"><title>503</title><h1>{title}</h1><p>{text}</p></html>',
        status=503,
        headers={"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"},
    )


def _is_iiif(request: HttpRequest) -> bool:
    return request.path_info.startswith("/iiif/")
