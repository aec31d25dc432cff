"""If-Match and If-None-Match (RFC 9110 section 13): nobody overwrites what they have not seen."""

from django.utils.http import parse_etags
from rest_framework.request import Request

from images.api.conf import api_conf
from images.api.problems import ApiError
from images.services.records import Expectation


def expectation(request: Request) -> Expectation:
    """What the request says about the state that it means to change. Raises ApiError with 428 where it must say so."""
    if_match = request.META.get("HTTP_IF_MATCH", "")
    if_none_match = request.META.get("HTTP_IF_NONE_MATCH", "")
    if api_conf.requires_if_match and not if_match and not if_none_match:
        raise ApiError(
            428, "precondition_required", "Send If-Match with the ETag of the record that you mean to change."
        )

    def expect(etag: str | None) -> None:
        if if_match and not _matches(if_match, etag):
            raise ApiError(412, "precondition_failed", "The record is no longer what If-Match says. Read it again.")
        if if_none_match and _matches(if_none_match, etag):
            raise ApiError(412, "precondition_failed", "The record is there already.")

    return expect


def is_not_modified(request: Request, etag: str) -> bool:
    """Whether a reader has this state already."""
    candidates = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return "*" in candidates or etag in {candidate.removeprefix("W/") for candidate in candidates}


def _matches(header: str, etag: str | None) -> bool:
    candidates = parse_etags(header)
    return etag is not None and (candidates == ["*"] or etag in candidates)
