"""What a path of the Image API asks for (Image API 3.0 §2).

The identifier may hold slashes, raw or encoded: the web server has decoded the path once and doesn't tell which. So the
path is read from the right, and never decoded again:

1. `…/info.json`: the image information of all that stands before it.
2. At least five segments, and the last four are the parameters of an image: the last begins with the name of a quality
   (`default.`, `color.` …), or at least two of the three before it look like a region, a size and a rotation. So one
   or two wrong parameters are reported as such.
3. Anything else: the base URI of an image, whose identifier may well be `scans/2026/box 5/page/0001.tif`.

An image whose identifier itself ends like rule 2 has no base URI that can be told apart, but its information and its
pixels are found.
"""

import re
from dataclasses import dataclass

from images.iiif.errors import MalformedIdentifierError
from images.iiif.identifiers import validate_identifier
from images.iiif.output import Quality

_INFORMATION = "info.json"
_PARAMETER_COUNT = 4
_LIKE_PARAMETERS_NEEDED = 2

_LIKE_QUALITY = re.compile(rf"(?:{'|'.join(Quality)})(?:\..*)?", re.DOTALL)
_LIKE_REGION = re.compile(r"full|square|pct:.*|[-+.0-9]+,[-+.,0-9]+", re.DOTALL)
_LIKE_SIZE = re.compile(r"\^?(?:full|max|pct:.*|!?[-+.0-9]*,[-+.0-9]*)", re.DOTALL)
_LIKE_ROTATION = re.compile(r"!?[-+.0-9]+")


@dataclass(frozen=True, slots=True)
class ImagePath:
    """An image request: the identifier and the four parameters, as they were written."""

    identifier: str
    region: str
    size: str
    rotation: str
    quality_format: str


@dataclass(frozen=True, slots=True)
class InformationPath:
    """A request for info.json."""

    identifier: str


@dataclass(frozen=True, slots=True)
class BasePath:
    """The base URI of an image, which leads to its info.json."""

    identifier: str


def parse_path(path: str) -> ImagePath | InformationPath | BasePath:
    """Read what follows `/iiif/3/`, decoded once and without a leading slash; raises MalformedIdentifierError."""
    parsed = _split(path)
    validate_identifier(parsed.identifier)
    return parsed


def _split(path: str) -> ImagePath | InformationPath | BasePath:
    if path == _INFORMATION:
        raise MalformedIdentifierError("There is no identifier before info.json.")
    if path.endswith(f"/{_INFORMATION}"):
        return InformationPath(path.removesuffix(f"/{_INFORMATION}"))
    segments = path.rsplit("/", _PARAMETER_COUNT)
    if len(segments) > _PARAMETER_COUNT and _are_parameters(*segments[1:]):
        return ImagePath(*segments)
    return BasePath(path)


def _are_parameters(region: str, size: str, rotation: str, quality_format: str) -> bool:
    if _LIKE_QUALITY.fullmatch(quality_format):
        return True
    alike = [
        _LIKE_REGION.fullmatch(region),
        _LIKE_SIZE.fullmatch(size),
        _LIKE_ROTATION.fullmatch(rotation),
    ]
    return len(alike) - alike.count(None) >= _LIKE_PARAMETERS_NEEDED
