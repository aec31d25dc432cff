"""What the answer of a web server says before its body is read."""

import email.utils
from datetime import UTC, datetime
from http import HTTPStatus

from images.sources.errors import (
    SourceAnswerError,
    SourceForbiddenError,
    SourceNotFoundError,
    SourceUnreachableError,
)
from images.sources.fetch import Answer


def require_usable(answer: Answer) -> None:
    """Only a plain 200 is a source. Raises SourceError."""
    status = answer.status
    if status in {401, 403, 407}:
        raise SourceForbiddenError(f"The web server does not let this server in (status {status}).")
    if status in {404, 410}:
        raise SourceNotFoundError(f"The web server has no such file (status {status}).")
    if status in {408, 425, 429} or status >= 500:
        raise SourceUnreachableError(f"The web server cannot deliver just now (status {status}).")
    if status != HTTPStatus.OK:
        raise SourceAnswerError(f"The web server answers with status {status} instead of a file.")
    if answer.header("Content-Encoding").lower() not in {"", "identity"}:
        raise SourceAnswerError("The web server compresses its answer although it must not.")
    if answer.header("Transfer-Encoding").lower() not in {"", "chunked"}:
        raise SourceAnswerError("The web server sends its answer in an encoding that is not known.")


def http_time(text: str) -> datetime | None:
    """A date as headers write it; None for what is none."""
    try:
        time = email.utils.parsedate_to_datetime(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
