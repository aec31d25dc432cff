"""Does an ICC profile say no more than that the colours are sRGB? (ICC.1:2010; IEC 61966-2-1)"""

import struct
from collections.abc import Mapping

_HEADER_BYTES = 128
_ENTRY = struct.Struct(">4sII")
_MOST_TAGS = 100

_COLORANTS = {
    b"rXYZ": (0.4360, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
"""The primaries of sRGB as seen under D50, the white of the profile connection space."""

_COLORANT_TOLERANCE = 0.0015
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_TABLES = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2")
"""Where there is one of these, it is followed instead of primaries and curves (ICC.1:2010, 8.10)."""

_CURVE_TOLERANCE = 0.5 / 255
_CURVE_STEPS = 51


def is_srgb(profile: bytes) -> bool:
    """Whether colours by this profile are those of sRGB to within half a step of 8 bits; False where in doubt."""
    if len(profile) < _HEADER_BYTES + 4 or profile[16:24] != b"RGB XYZ " or profile[36:40] != b"acsp":
        return False
    try:
        values = _tags(profile)
        return (
            not any(tag in values for tag in _TABLES)
            and all(_is_near(_xyz(values[tag]), expected) for tag, expected in _COLORANTS.items())
            and all(_is_srgb_curve(values[tag]) for tag in _CURVES)
        )
    except (KeyError, IndexError, struct.error, OverflowError, ZeroDivisionError):
        return False


def _tags(profile: bytes) -> Mapping[bytes, bytes]:
    count = int.from_bytes(profile[_HEADER_BYTES : _HEADER_BYTES + 4], "big")
    values: dict[bytes, bytes] = {}
    for number in range(min(count, _MOST_TAGS)):
        tag, offset, length = _ENTRY.unpack_from(profile, _HEADER_BYTES + 4 + number * _ENTRY.size)
        values[tag] = profile[offset : offset + length]
    return values


def _fixed(data: bytes, start: int, count: int) -> tuple[float, ...]:
    """Numbers of type s15Fixed16."""
    return tuple(value / 65_536 for value in struct.unpack_from(f">{count}i", data, start))


def _xyz(value: bytes) -> tuple[float, ...]:
    return _fixed(value, 8, 3) if value[:4] == b"XYZ " else ()


def _is_near(found: tuple[float, ...], expected: tuple[float, ...]) -> bool:
    return len(found) == len(expected) and all(
        abs(one - other) <= _COLORANT_TOLERANCE for one, other in zip(found, expected, strict=True)
    )


def _is_srgb_curve(value: bytes) -> bool:
    if value[:4] == b"para":
        return _is_srgb_function(value)
    if value[:4] != b"curv":
        return False
    count = int.from_bytes(value[8:12], "big")
    if not 256 <= count <= 65_536:  # fewer would be a gamma, or too coarse for the dark end
        return False
    table = struct.unpack_from(f">{count}H", value, 12)
    return all(_is_on_curve(index / (count - 1), table[index] / 65_535) for index in _spread(count))


def _is_srgb_function(value: bytes) -> bool:
    """Only the form in which sRGB is defined (ICC.1:2010, 10.16, function type 3)."""
    if value[8:10] != b"\x00\x03":
        return False
    g, a, b, c, d = _fixed(value, 12, 5)
    points = (step / _CURVE_STEPS for step in range(_CURVE_STEPS + 1))
    return all(_is_on_curve(x, max(0.0, a * x + b) ** g if x >= d else c * x) for x in points)


def _spread(count: int) -> tuple[int, ...]:
    return tuple(step * (count - 1) // _CURVE_STEPS for step in range(_CURVE_STEPS + 1))


def _is_on_curve(encoded: float, linear: float) -> bool:
    """Compared as encoded values, which is what a difference looks like."""
    again = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return bool(abs(again - encoded) <= _CURVE_TOLERANCE)
