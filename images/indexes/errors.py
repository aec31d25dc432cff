"""Why the structure of a source could not be read, in words for curators."""


class IndexingError(Exception):
    """A source whose structure can't be used. `detail` is a sentence for people, `code` one for programs."""

    code = "damaged"

    def __init__(self, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class NotAnImageError(IndexingError):
    """The file is something else."""

    code = "not_an_image"


class DamagedError(IndexingError):
    """The file says something that can't be: it was cut off, overwritten, or written by a faulty program."""

    code = "damaged"


class TooLargeError(IndexingError):
    """The file may be whole, but serving it would cost more than a limit of this server allows."""

    code = "too_large"


class NotSupportedError(IndexingError):
    """The file may be whole, but holds something that no decoder here reads."""

    code = "not_supported"
