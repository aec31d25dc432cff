"""The numbers of the request grammar: ASCII digits, of bounded length.

Image API 3.0 §4.7: digits and "." only; no sign, no exponent. A missing leading zero and trailing zeros are accepted
(SHOULD). The bounds keep the cost of a request independent of the numbers in it: Python's integers have no limit.
"""

from fractions import Fraction

MAX_INTEGER_DIGITS = 16
"""2^53, the largest integer that a JavaScript client counts exactly, has 16 digits; no image is as wide."""

MAX_FRACTION_DIGITS = 24
"""A JavaScript client writes at most 22 (17 significant digits after 0.00000); 2.1 asks for at most 10."""

INTEGER = rf"[0-9]{{1,{MAX_INTEGER_DIGITS}}}"
DECIMAL = rf"(?:{INTEGER}(?:\.[0-9]{{1,{MAX_FRACTION_DIGITS}}})?|\.[0-9]{{1,{MAX_FRACTION_DIGITS}}})"


def round_half_up(value: Fraction) -> int:
    """The nearest integer to a value that isn't negative; halves go up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def ceil_divide(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
