"""What can go wrong between a source's bytes and a derivative's bytes, in words for curators."""


class DecodeError(Exception):
    """A source could not be turned into a derivative. `detail` is a sentence for people, `code` one for programs."""

    code = "decode_failed"

    def __init__(self, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class DamagedSourceError(DecodeError):
    """The bytes of the source are not what its format asks for."""

    code = "damaged"


class UnsupportedSourceError(DecodeError):
    """The source may be whole, but holds something that no decoder here reads, or an output that none writes."""

    code = "not_supported"


class DecodeLimitError(DecodeError):
    """The work would need, or did need, more pixels, memory or time than is allowed."""

    code = "too_large"


class OutputLimitError(DecodeError):
    """More pixels were asked for than an output format holds or is made with; a smaller size can be had."""

    code = "limit_exceeded"


class DecoderDiedError(DecodeError):
    """The process that decoded ended without an answer."""

    code = "decoder_died"


class OverloadedError(DecodeError):
    """Too much is waiting already; `retry_after` is in seconds."""

    code = "overloaded"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class DecoderUnavailableError(OverloadedError):
    """No decoder process can be had at the moment, whatever the image is."""
