"""Errors of the REST API as problem details (RFC 9457), whatever raised them."""

import errno
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import DatabaseError, IntegrityError
from django.db.models import ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

from caching.errors import CacheError
from images.selectors.images import ImageNotFoundError
from images.services.registration import IdentifierTakenError, NothingToRestoreError
from images.services.uploads import UploadError, UploadTooLargeError
from images.sources.errors import SourceDisabledError, SourceError, SourceNotAllowedError, SourceNotFoundError
from images.sources.listing import ListingUnsupportedError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_WHOLE = ("non_field_errors", "__all__")
_SOURCE = ("store", "key", "url")


class ApiError(Exception):
    """An error that says itself how it is answered."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.headers = headers
        self.status = status
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FieldError:
    """`field` is a path such as `source.url` or `metadata[2].label`; empty for the whole."""

    field: str
    code: str
    detail: str

    def to_json(self) -> dict[str, str]:
        return {"field": self.field, "code": self.code, "detail": self.detail}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """A problem of the type about:blank: its title is what HTTP calls the status, `code` tells programs more."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code}
    listed = list(errors)
    body |= {"detail": detail, **({"errors": listed} if listed else {}), **members}
    content = json.dumps(body, ensure_ascii=True)
    response = HttpResponse(content, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))
    response["Cache-Control"] = "no-store"
    return response


# The first row whose class matches decides.
_PLAIN: tuple[tuple[type[Exception], int, str, str], ...] = (
    (Http404, 404, "not_found", "There is nothing at this address, or you may not see it."),
    (ImageNotFoundError, 404, "not_found", "There is no such image, or you may not see it."),
    (PermissionDenied, 403, "forbidden", "You may not do this."),
    (RequestDataTooBig, 413, "too_large", "The request is larger than is accepted here."),
    (BadRequest, 400, "bad_request", "The request is malformed."),
    (SuspiciousOperation, 400, "bad_request", "The request is malformed."),
    (NothingToRestoreError, 409, "nothing_to_restore", "There is no earlier source to go back to."),
    (ProtectedError, 409, "in_use", "It is in use: other records still refer to it."),
    (CacheError, 503, "cache", "The cache cannot be reached just now."),
    (IntegrityError, 409, "conflict", "Somebody else has just changed the same. Try again."),
    (DatabaseError, 503, "database", "The database cannot be reached just now."),
)
_SOURCES = (
    (ListingUnsupportedError, 501),
    (SourceNotFoundError, 404),
    (SourceNotAllowedError, 400),
    (SourceDisabledError, 409),
)
_RETRY = {"Retry-After": "5"}


def exception_handler(error: Exception, _context: Mapping[str, Any]) -> HttpResponse | None:
    """What the framework calls for every exception of a view; None for those that are nobody's fault but ours."""
    set_rollback()
    match error:
        case ApiError():
            return problem(error.status, error.code, error.detail, headers=error.headers)
        case exceptions.ValidationError():
            return _invalid(_from_framework(error.detail))
        case exceptions.APIException():
            return _from_api_exception(error)
        case ValidationError():
            return _invalid(_from_django(error))
        case IdentifierTakenError():
            return problem(409, "identifier_taken", str(error))
        case UploadError():
            return _from_upload(error)
        case SourceError():
            status = next((status for kind, status in _SOURCES if isinstance(error, kind)), 502)
            return problem(status, error.code, error.detail)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            logger.error("no room is left on a disk", exc_info=error)
            return problem(507, "no_space", "The server has no room left to store this.")
    for kind, status, code, detail in _PLAIN:
        if isinstance(error, kind):
            if status == 503:
                logger.error("%s failed a request", code, exc_info=error)
            return problem(status, code, detail, headers=_RETRY if status == 503 else None)
    return None


def _from_api_exception(error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = getattr(error, "auth_header", "Bearer")
    wait: float | None = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    code = error.get_codes()
    return problem(error.status_code, code if isinstance(code, str) else "error", str(error.detail), headers=headers)


def _from_upload(error: UploadError) -> HttpResponse:
    if isinstance(error, UploadTooLargeError):
        fields = [FieldError("file", error.code, str(error)).to_json()]
        return problem(413, error.code, str(error), errors=fields)
    return _invalid([FieldError("file", error.code, str(error))])


def _invalid(errors: Iterable[FieldError]) -> HttpResponse:
    listed = [error.to_json() for error in errors]
    return problem(400, "invalid", "The request is not valid; `errors` says which fields and why.", errors=listed)


def _from_framework(detail: Any, path: str = "") -> Iterator[FieldError]:
    if isinstance(detail, Mapping):
        for name, below in detail.items():
            yield from _from_framework(below, _below(path, name))
    elif isinstance(detail, list):
        for number, below in enumerate(detail):
            yield from _from_framework(below, f"{path}[{number}]" if isinstance(below, Mapping) else path)
    else:
        yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


def _below(path: str, name: str | int) -> str:
    if isinstance(name, int):
        return f"{path}[{name}]"
    return path if name in _WHOLE else f"{path}.{name}".lstrip(".")


def _from_django(error: ValidationError) -> Iterator[FieldError]:
    named: Mapping[str, list[ValidationError]] = (
        error.error_dict if hasattr(error, "error_dict") else {"__all__": error.error_list}
    )
    for name, each in named.items():
        path = "" if name in _WHOLE else f"source.{name}" if name in _SOURCE else name
        for single in each:
            yield FieldError(path, single.code or "invalid", " ".join(single.messages))


def is_api_path(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")
