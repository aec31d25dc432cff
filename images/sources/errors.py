"""What can go wrong on the way to the bytes of a source.

`detail` is one sentence that may be shown to anybody: it never holds a folder of the server, an address behind a name
or a secret of a URL. `technical` is for curators and logs. `code` is for programs. `is_transient` says whether the
same try may go better later without anybody changing anything.
"""


class SourceError(Exception):
    """The bytes of a source could not be had."""

    code = "source_failed"
    is_transient = False

    def __init__(self, detail: str, technical: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.technical = technical


class SourceNotFoundError(SourceError):
    """There is no such file or resource."""

    code = "source_not_found"


class SourceForbiddenError(SourceError):
    """It exists, but this server is not let in."""

    code = "source_forbidden"


class SourceNotAllowedError(SourceError):
    """This server refuses to go there: a key that leads out of its root, no regular file, a private address."""

    code = "source_not_allowed"


class SourceChangedError(SourceError):
    """The source is another one than was asked for, or became another one while it was read."""

    code = "source_changed"
    is_transient = True


class SourceTruncatedError(SourceError):
    """The source ended before the bytes that were asked for or promised."""

    code = "source_truncated"
    is_transient = True


class SourceUnreachableError(SourceError):
    """The storage or web server does not answer, or not in time."""

    code = "source_unreachable"
    is_transient = True


class SourceStalledError(SourceUnreachableError):
    """Nothing comes from the store, and too many wait for it already; `retry_after` is in seconds."""

    code = "source_stalled"

    def __init__(self, detail: str, technical: str = "", retry_after: int = 1) -> None:
        super().__init__(detail, technical)
        self.retry_after = retry_after


class SourceDisabledError(SourceError):
    """The store is switched off."""

    code = "source_disabled"


class SourceTooLargeError(SourceError):
    """The source has more bytes than are allowed."""

    code = "source_too_large"


class SourceAnswerError(SourceError):
    """A web server answered something that cannot be a source."""

    code = "source_bad_answer"
