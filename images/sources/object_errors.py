"""What object storage answers, in our words; never with a URL's query or a secret in them."""

import re
from collections.abc import Mapping

from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from images.sources.errors import (
    SourceAnswerError,
    SourceChangedError,
    SourceError,
    SourceForbiddenError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)

_STATUS = re.compile(r"status code: (\d{3})")
_QUERY = re.compile(r"\?[^\s\"'<>)]*")
_FORBIDDEN = frozenset({401, 403, 407})
_PASSING = frozenset({408, 425, 429})
_BODY = re.compile(r"[<{]")
_MAX_LENGTH = 500

OBJECT_ERRORS = (BaseError, OSError, ValueError, TimeoutError)
"""All that the library raises: a missing object is a FileNotFoundError, a path that is none a ValueError."""


def translated(error: Exception, where: str, secrets: Mapping[str, str]) -> SourceError:
    """`where` names the object, for curators."""
    technical = f"{where}: {redacted(str(error), secrets)}"
    status = _STATUS.search(str(error))
    code = int(status[1]) if status else 0
    if isinstance(error, NotFoundError | FileNotFoundError):
        return SourceNotFoundError("The store has no such object.", technical)
    if isinstance(error, PreconditionError):
        return SourceChangedError("The object was replaced since it was last read.", technical)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or code in _FORBIDDEN:
        return SourceForbiddenError("The store does not let this server in.", technical)
    if isinstance(error, InvalidPathError | ValueError):
        return SourceNotAllowedError("The name of the object cannot be one in this store.", technical)
    if isinstance(error, TimeoutError):
        return SourceUnreachableError("The store did not deliver in time.", technical)
    if code == 416:
        return SourceTruncatedError("The object ends before the data that it should hold.", technical)
    if 300 <= code < 500 and code not in _PASSING:
        return SourceAnswerError(f"The store answers with status {code} instead of an object.", technical)
    return SourceUnreachableError("The store cannot be reached.", technical)


def redacted(text: str, secrets: Mapping[str, str]) -> str:
    """The first line of a message without any secret.

    Left out are queries, which may hold signatures, and what the server wrote itself, which may repeat them.
    """
    text = _QUERY.sub("?…", _BODY.split(text.partition("\n")[0])[0])
    for secret in secrets.values():
        if len(secret) > 3:
            text = text.replace(secret, "…")
    return text[:_MAX_LENGTH]
