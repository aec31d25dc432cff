"""The media type of info.json by the Accept header (Image API 3.0 §5.1, 2.1 §5.1; RFC 9110 §12.5.1)."""

import re
from dataclasses import dataclass

from images.iiif.version import ApiVersion

JSON = "application/json"
JSON_LD = "application/ld+json"

MAX_ACCEPT_LENGTH = 2000
"""Characters of an Accept header that are read; browsers send about 150."""

_EXACT = 3
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_WEIGHT = re.compile(r"\s*[qQ]\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*")
_IS_WEIGHT = re.compile(r"\s*[qQ]\s*=")


@dataclass(frozen=True, slots=True, order=True)
class _Preference:
    """How much a media type is wanted: by weight (0 to 1000), then by how exactly it was named (0 to 3)."""

    weight: int
    precision: int


def information_media_type(accept: str | None, api_version: ApiVersion) -> str:
    """The Content-Type to answer with; there is always one, an Accept header that fits nothing is ignored.

    3.0 answers JSON-LD with its profile unless plain JSON is preferred; 2.1 answers plain JSON unless JSON-LD is named
    in the header and not less wanted.
    """
    ranges = _parse(accept or "")
    json, json_ld = _preference(ranges, JSON), _preference(ranges, JSON_LD)
    if api_version is ApiVersion.V2:
        is_named = json_ld.precision == _EXACT and json_ld.weight > 0
        return JSON_LD if is_named and json_ld >= json else JSON
    if json.weight > 0 and json > json_ld:
        return JSON
    return f'{JSON_LD};profile="{ApiVersion.V3.context_uri}"'


def _parse(accept: str) -> dict[str, int]:
    """Media ranges and their weights in thousandths; a range with a malformed weight is left out."""
    unquoted = _QUOTED.sub("", accept[:MAX_ACCEPT_LENGTH])
    ranges: dict[str, int] = {}
    for item in unquoted.split(","):
        media_range, *parameters = item.split(";")
        weight = _parse_weight(parameters)
        if media_range.strip() and weight is not None:
            name = media_range.strip().lower()
            ranges[name] = max(weight, ranges.get(name, 0))
    return ranges


def _parse_weight(parameters: list[str]) -> int | None:
    for parameter in parameters:
        if match := _WEIGHT.fullmatch(parameter):
            whole, _, fraction = match[1].partition(".")
            return int(whole) * 1000 + int(fraction.ljust(3, "0"))
        if _IS_WEIGHT.match(parameter):
            return None
    return 1000


def _preference(ranges: dict[str, int], media_type: str) -> _Preference:
    for precision, media_range in ((_EXACT, media_type), (2, "application/*"), (1, "*/*")):
        if media_range in ranges:
            return _Preference(ranges[media_range], precision)
    return _Preference(0, 0)
