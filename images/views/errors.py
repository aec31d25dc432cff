"""One table: which exception is which status. One shape of errors: {"error", "detail"}, without paths or secrets."""

import logging
import random

from django.db import DatabaseError
from django.http import HttpResponse, JsonResponse

from images.conf import conf
from images.decoders.errors import (
    DecodeError,
    DecodeLimitError,
    DecoderDiedError,
    OverloadedError,
    UnsupportedSourceError,
)
from images.iiif.errors import IIIFError
from images.selectors.images import ImageNotFoundError, ImageNotReadyError
from images.services.self_registration import RegistrationLimitError
from images.sources.errors import (
    SourceChangedError,
    SourceDisabledError,
    SourceError,
    SourceNotFoundError,
    SourceStalledError,
    SourceUnreachableError,
)
from images.views.sparing import Sparing

logger = logging.getLogger(__name__)

_sparing = Sparing(every_seconds=1.0)

SERVED_ERRORS = (
    *(IIIFError, ImageNotFoundError, ImageNotReadyError, RegistrationLimitError),
    *(SourceError, DecodeError, DatabaseError),
)

# The first row whose class matches decides: subclasses stand before their base.
_STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (ImageNotFoundError, 404, "not_found"),
    (SourceNotFoundError, 404, "source_not_found"),
    (SourceChangedError, 503, "source_changed"),
    (SourceDisabledError, 503, "source_disabled"),
    (SourceStalledError, 503, "source_stalled"),
    (SourceUnreachableError, 502, "source_unreachable"),
    (SourceError, 502, "source_error"),
    (OverloadedError, 503, "overloaded"),
    (RegistrationLimitError, 503, "overloaded"),
    (DecoderDiedError, 503, "decoder_died"),
    (DecodeLimitError, 500, "decode_limit"),
    (UnsupportedSourceError, 501, "not_supported"),
    (DecodeError, 500, "decode_failed"),
    (DatabaseError, 503, "database"),
)
_DETAILS = {
    "source_not_found": "The source of this image is gone.",
    "source_changed": "The source of this image has just changed; it is being read again.",
    "source_disabled": "The store of this image is switched off.",
    "source_unreachable": "The source of this image cannot be reached just now.",
    "source_stalled": "The store of this image does not answer just now.",
    "source_error": "The source of this image cannot be read.",
    "database": "The database cannot be reached just now.",
}
_ASKED_TOO_MUCH = frozenset({"limit_exceeded", "too_large", "out_of_memory"})  # a smaller answer can be had
_RETRY_STATUS = frozenset({502, 503, 504})


def error_response(status: int, code: str, detail: str, *, retry_after: int | None = None) -> HttpResponse:
    """The short JSON of every error on IIIF paths; `retry_after` in seconds."""
    response = JsonResponse({"error": code, "detail": detail}, status=status)
    response["Cache-Control"] = "no-store" if status >= 500 else conf.cache_control_error
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def exception_response(error: Exception) -> HttpResponse:
    """Answer one of SERVED_ERRORS."""
    if isinstance(error, IIIFError):
        return error_response(error.status, error.code, str(error))
    if isinstance(error, ImageNotReadyError):
        return _not_ready(error)
    if isinstance(error, DecodeError) and error.code in _ASKED_TOO_MUCH:
        return error_response(400, "limit_exceeded", error.detail)
    status, code = next((status, code) for kind, status, code in _STATUS if isinstance(error, kind))
    if status >= 500:
        _log(code, str(getattr(error, "technical", "") or error))
    retry_after = None
    if status in _RETRY_STATUS:
        retry_after = getattr(error, "retry_after", 1) + random.randint(0, 4)  # noqa: S311 - jitter, no secret
    detail = _DETAILS.get(code) or getattr(error, "detail", "") or str(error)
    return error_response(status, code, detail, retry_after=retry_after)


def _log(code: str, technical: str) -> None:
    """A store that hangs is named once a second, however many are sent away."""
    said, unsaid = _sparing.admits(technical) if code == "source_stalled" else (True, 0)
    if said:
        logger.warning("%s: %s%s", code, technical, f" ({unsaid} more since it was said last)" if unsaid else "")


def _not_ready(error: ImageNotReadyError) -> HttpResponse:
    if error.state == "failed":
        return error_response(404, "not_available", f"This image could not be read: {error.detail}")
    return error_response(503, "not_ready", "This image is still being read.", retry_after=2)
