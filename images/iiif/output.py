"""Qualities and formats of an answer (Image API 3.0 §4.4 and §4.5, 2.1 the same)."""

import enum
from functools import lru_cache

from images.iiif.errors import MalformedParameterError, shown


class Quality(enum.StrEnum):
    DEFAULT = "default"
    COLOR = "color"
    GRAY = "gray"
    BITONAL = "bitonal"


class OutputFormat(enum.StrEnum):
    """A format that can be asked for. `avif` is an extension; the other names are the specification's."""

    JPG = "jpg"
    TIF = "tif"
    PNG = "png"
    GIF = "gif"
    JP2 = "jp2"
    PDF = "pdf"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]

    @property
    def has_alpha(self) -> bool:
        """Whether the corners of a rotated image can be transparent in this format."""
        return self in _WITH_ALPHA


_MEDIA_TYPES = {
    OutputFormat.JPG: "image/jpeg",
    OutputFormat.TIF: "image/tiff",
    OutputFormat.PNG: "image/png",
    OutputFormat.GIF: "image/gif",
    OutputFormat.JP2: "image/jp2",
    OutputFormat.PDF: "application/pdf",
    OutputFormat.WEBP: "image/webp",
    OutputFormat.AVIF: "image/avif",
}
_WITH_ALPHA = frozenset({OutputFormat.PNG, OutputFormat.TIF, OutputFormat.GIF, OutputFormat.WEBP, OutputFormat.AVIF})


@lru_cache(maxsize=256)
def parse_quality_format(text: str) -> tuple[Quality, OutputFormat]:
    """Read `{quality}.{format}`; raises MalformedParameterError. Both are case-sensitive."""
    quality, dot, extension = text.partition(".")
    if not dot or not quality or not extension:
        raise MalformedParameterError(
            f"The last part of the path, {shown(text)}, is not understood: "
            "expected quality.format, for example default.jpg."
        )
    return _parse_quality(quality), _parse_format(extension)


def _parse_quality(text: str) -> Quality:
    try:
        return Quality(text)
    except ValueError:
        raise MalformedParameterError(
            f"The quality {shown(text)} is not known: expected one of {', '.join(Quality)}."
        ) from None


def _parse_format(text: str) -> OutputFormat:
    try:
        return OutputFormat(text)
    except ValueError:
        raise MalformedParameterError(
            f"The format {shown(text)} is not known: expected one of {', '.join(OutputFormat)}."
        ) from None
