"""What Django asks for when a request fails outside of a view: problems to API clients, else JSON or a page."""

import sys

from django.http import HttpRequest, HttpResponse

from images.api.problems import exception_handler, is_api_path, problem
from images.views import failures


def bad_request_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api_path(request):
        return problem(400, "bad_request", "The request is malformed.")
    return failures.bad_request_view(request, exception)


def forbidden_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api_path(request):
        return problem(403, "forbidden", "You may not do this.")
    return failures.forbidden_view(request, exception)


def not_found_view(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api_path(request):
        return problem(404, "not_found", "There is nothing at this address.")
    return failures.not_found_view(request, exception)


def server_error_view(request: HttpRequest) -> HttpResponse:
    """Django calls this as it handles the exception."""
    if is_api_path(request):
        error = sys.exc_info()[1]
        known = exception_handler(error, {}) if isinstance(error, Exception) else None
        return known or problem(500, "server_error", "The fault is ours and was recorded.")
    return failures.server_error_view(request)
