"""The rotation parameter (Image API 3.0 §4.3, 2.1 the same)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from images.iiif.errors import MalformedParameterError, shown
from images.iiif.grammar import DECIMAL

_ROTATION = re.compile(rf"(!?)({DECIMAL})")
_FULL_TURN = Decimal(360)
_RIGHT_ANGLES = frozenset({Decimal(90), Decimal(180), Decimal(270)})


@dataclass(frozen=True, slots=True)
class Rotation:
    """Mirrored left to right first, then turned clockwise by `degrees`, 0 <= degrees < 360."""

    mirrored: bool
    degrees: Decimal

    @property
    def is_right_angle(self) -> bool:
        """Whether it is a turn by 90, 180 or 270 degrees: no pixel is computed anew."""
        return self.degrees in _RIGHT_ANGLES

    @property
    def is_none(self) -> bool:
        """Whether it leaves every pixel where it is."""
        return not self.mirrored and self.degrees == 0

    @property
    def degrees_text(self) -> str:
        """Degrees as 3.0 §4.7 writes them: an integer if possible, no trailing zeros, a leading zero below 1."""
        return _degrees_text(self.degrees)

    def __str__(self) -> str:
        return ("!" if self.mirrored else "") + self.degrees_text


@lru_cache(maxsize=1024)
def _degrees_text(degrees: Decimal) -> str:
    text = format(degrees, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=1024)
def parse_rotation(text: str) -> Rotation:
    """Read `n` or `!n` with n from 0 to 360; 360 is 0. Raises MalformedParameterError."""
    match = _ROTATION.fullmatch(text)
    if match is None:
        raise MalformedParameterError(
            f"The rotation {shown(text)} is not understood: "
            "expected degrees from 0 to 360, for example 90, 22.5 or, mirrored first, !90."
        )
    degrees = Decimal(match[2])
    if degrees > _FULL_TURN:
        raise MalformedParameterError(f"The rotation {shown(text)} is out of range: expected 0 to 360 degrees.")
    return Rotation(match[1] == "!", Decimal(0) if degrees == _FULL_TURN else degrees)
