"""The size parameter: what the client wrote (Image API 3.0 §4.2, 2.1 §4.2)."""

import enum
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from images.iiif.errors import MalformedParameterError, shown
from images.iiif.grammar import DECIMAL, INTEGER
from images.iiif.version import ApiVersion

_BY_WIDTH = re.compile(rf"({INTEGER}),")
_BY_HEIGHT = re.compile(rf",({INTEGER})")
_BY_PERCENT = re.compile(rf"pct:({DECIMAL})")
_BY_WIDTH_HEIGHT = re.compile(rf"(!?)({INTEGER}),({INTEGER})")

_EXPECTED = {
    ApiVersion.V2: "full, max, w, or ,h or w,h or !w,h in pixels, or pct:n",
    ApiVersion.V3: "max, w, or ,h or w,h or !w,h in pixels, or pct:n, each also after a ^ that allows upscaling",
}


class SizeForm(enum.StrEnum):
    """The forms as the specification writes them, without the `^` of 3.0."""

    FULL = "full"
    MAX = "max"
    BY_WIDTH = "w,"
    BY_HEIGHT = ",h"
    BY_PERCENT = "pct:n"
    BY_WIDTH_HEIGHT = "w,h"
    CONFINED = "!w,h"


@dataclass(frozen=True, slots=True)
class SizeParameter:
    """One form and its numbers; those that the form doesn't have are 0. `upscaled`: written with `^` (3.0 only)."""

    form: SizeForm
    upscaled: bool = False
    width: int = 0
    height: int = 0
    percent: Fraction = Fraction(0)


@lru_cache(maxsize=1024)
def parse_size(text: str, api_version: ApiVersion) -> SizeParameter:
    """Read one of the forms of this version; raises MalformedParameterError, also for a 0."""
    upscaled = text.startswith("^")
    if upscaled and api_version is ApiVersion.V2:
        raise MalformedParameterError(
            f"The size {shown(text)} is not understood: the forms with ^ belong to version 3 of the Image API; "
            f"expected {_EXPECTED[api_version]}."
        )
    if text == "full" and api_version is ApiVersion.V3:
        raise MalformedParameterError(
            "The size 'full' belongs to version 2 of the Image API; version 3 has max instead."
        )
    parameter = _parse_form(text[1:] if upscaled else text, upscaled=upscaled)
    if parameter is None:
        raise MalformedParameterError(f"The size {shown(text)} is not understood: expected {_EXPECTED[api_version]}.")
    _refuse_nothing(text, parameter)
    return parameter


def _parse_form(text: str, *, upscaled: bool) -> SizeParameter | None:
    if text == "max":
        return SizeParameter(SizeForm.MAX, upscaled)
    if text == "full" and not upscaled:
        return SizeParameter(SizeForm.FULL)
    if match := _BY_WIDTH_HEIGHT.fullmatch(text):
        form = SizeForm.CONFINED if match[1] else SizeForm.BY_WIDTH_HEIGHT
        return SizeParameter(form, upscaled, width=int(match[2]), height=int(match[3]))
    if match := _BY_WIDTH.fullmatch(text):
        return SizeParameter(SizeForm.BY_WIDTH, upscaled, width=int(match[1]))
    if match := _BY_HEIGHT.fullmatch(text):
        return SizeParameter(SizeForm.BY_HEIGHT, upscaled, height=int(match[1]))
    if match := _BY_PERCENT.fullmatch(text):
        return SizeParameter(SizeForm.BY_PERCENT, upscaled, percent=Fraction(match[1]))
    return None


def _refuse_nothing(text: str, parameter: SizeParameter) -> None:
    has_width = parameter.form in {SizeForm.BY_WIDTH, SizeForm.BY_WIDTH_HEIGHT, SizeForm.CONFINED}
    has_height = parameter.form in {SizeForm.BY_HEIGHT, SizeForm.BY_WIDTH_HEIGHT, SizeForm.CONFINED}
    if (
        (has_width and parameter.width == 0)
        or (has_height and parameter.height == 0)
        or (parameter.form is SizeForm.BY_PERCENT and parameter.percent == 0)
    ):
        raise MalformedParameterError(f"The size {shown(text)} is empty: its numbers must be greater than 0.")
