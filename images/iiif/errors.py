"""What can be wrong with a request of the Image API, each with its HTTP status.

Image API 3.0 §7.3 answers a size over the limits with 404 in a table and with 400 in §4.2; 400 is used here.
"""

from typing import ClassVar

SHOWN_LENGTH = 60
"""Characters of a client's text that an error repeats: enough to find the mistake, too few to flood a log."""


class IIIFError(Exception):
    """A request that is not answered with an image. `detail` is a sentence for the person who wrote the URL."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class MalformedParameterError(IIIFError):
    """A region, size, rotation, quality or format that the grammar doesn't have."""

    code = "malformed_parameter"


class MalformedIdentifierError(IIIFError):
    """An identifier that no image can have, for example one with a `..` segment."""

    code = "malformed_identifier"


class RegionOutsideImageError(IIIFError):
    """A region that covers no pixel of the image (Image API 3.0 §4.1)."""

    code = "region_outside_image"


class LimitExceededError(IIIFError):
    """A size over maxWidth, maxHeight or maxArea (Image API 3.0 §4.2)."""

    code = "limit_exceeded"


class UpscalingError(IIIFError):
    """A size larger than the region without the `^` that asks for it (Image API 3.0 §4.2)."""

    code = "upscaling"


class UnsupportedFeatureError(IIIFError):
    """A well-formed request for something that is switched off here (Image API 3.0 §7.3)."""

    status = 501
    code = "not_supported"


def shown(text: str) -> str:
    """The client's text as an error repeats it: quoted, ASCII, at most SHOWN_LENGTH characters of it."""
    if len(text) <= SHOWN_LENGTH:
        return ascii(text)
    return f"{text[:SHOWN_LENGTH]!a}…"
