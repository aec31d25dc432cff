"""What is answered when something goes wrong: JSON to IIIF clients, a page to people.

The pages need neither a context nor the database: the fault may lie there.
"""

import sys
from collections.abc import Mapping

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views import defaults

from images.services.uploads import NO_ROOM
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
    """No fault of the program: a database that is down or read-only, 503; a full disk, 507.

    Django calls this as it handles the exception.
    """
    error = sys.exc_info()[1]
    if isinstance(error, _DATABASE_DOWN):
        return _without_database(request)
    if isinstance(error, OSError) and error.errno in NO_ROOM and not _is_iiif(request):
        return _page(507, _("No room left"), _("The server has no room left to keep what was sent."))
    if _is_iiif(request):
        return error_response(500, "server_error", "The fault is ours and was recorded.")
    return defaults.server_error(request)


def _without_database(request: HttpRequest) -> HttpResponse:
    if _is_iiif(request):
        detail = "The database cannot be reached or written just now."
        return error_response(503, "database", detail, retry_after=_RETRY_SECONDS)
    text = _("The database cannot be reached or written just now. Images go on being served.")
    return _page(503, _("Just a moment"), text, {"Retry-After": str(_RETRY_SECONDS)})


def _page(status: int, title: str, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        f'<!doctype html><html lang="{get_language()}"><title>{status}</title><h1>{title}</h1><p>{text}</p></html>',
        status=status,
        headers={**(headers or {}), "Cache-Control": "no-store"},
    )


def _is_iiif(request: HttpRequest) -> bool:
    return request.path_info.startswith("/iiif/")
