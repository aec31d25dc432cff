"""What is answered when something goes wrong: JSON to IIIF clients, a page to people.

The pages need neither a context nor the database: the fault may lie there.
"""

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from images.views.errors import error_response


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
    if _is_iiif(request):
        return error_response(500, "server_error", "The fault is ours and was recorded.")
    return defaults.server_error(request)


def _is_iiif(request: HttpRequest) -> bool:
    return request.path_info.startswith("/iiif/")
