"""What an answer by Django's way is counted as."""

import time
from collections.abc import Iterable
from typing import TypeVar

from django.http import HttpResponseBase

from caching.traffic import Answered, get_traffic

Response = TypeVar("Response", bound=HttpResponseBase)

_COUNTED_AS = "_iiif_counted_as"


def counted_as(response: Response, answered: str, image: str | None = None) -> Response:
    """Write on the response how it was made, and of which image, for whoever counts it once it is on its way."""
    setattr(response, _COUNTED_AS, (answered, image))
    return response


def is_counted(response: HttpResponseBase) -> bool:
    return hasattr(response, _COUNTED_AS)


def count_passed_on(answer: Iterable[bytes], started: float) -> Iterable[bytes]:
    """Count an answer of Django's to a request that began at `started` (`time.perf_counter`), if it is a IIIF one."""
    if isinstance(answer, HttpResponseBase):
        marked: tuple[str, str | None] | None = getattr(answer, _COUNTED_AS, None)
        if marked is not None:
            answered, image = marked
            byte_size = int(answer.headers.get("Content-Length", 0)) if answer.status_code == 200 else 0
            get_traffic().note(answered, time.perf_counter() - started, byte_size, image)
    return answer


def answered_by(response: HttpResponseBase) -> str:
    """By the status alone."""
    status = response.status_code
    if status == 304:
        return Answered.NOT_MODIFIED
    if status >= 500:
        return Answered.FAILED
    if status >= 400:
        return Answered.REFUSED
    return Answered.REDIRECTED if status >= 300 else Answered.OTHER
