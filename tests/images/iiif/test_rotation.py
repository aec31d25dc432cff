from decimal import Decimal

import pytest

from images.iiif.errors import MalformedParameterError
from images.iiif.rotation import Rotation, parse_rotation


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("!0", "!0"),
        ("90", "90"),
        ("090", "90"),
        ("90.0", "90"),
        ("!22.50", "!22.5"),
        (".5", "0.5"),
        ("0.50", "0.5"),
        ("360", "0"),
        ("360.00", "0"),
        ("!360", "!0"),
        ("359.999", "359.999"),
        ("0.0", "0"),
        ("100", "100"),
        ("0.000000000000000000000001", "0.000000000000000000000001"),
    ],
)
def test_reads_and_writes(text: str, canonical: str) -> None:
    rotation = parse_rotation(text)
    assert str(rotation) == canonical
    assert 0 <= rotation.degrees < 360
    assert parse_rotation(canonical) == rotation


def test_knows_right_angles() -> None:
    assert [parse_rotation(text).is_right_angle for text in ("0", "90", "!270.0", "45")] == [False, True, True, False]
    assert parse_rotation("!90") == Rotation(mirrored=True, degrees=Decimal(90))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        "-1",
        "+1",
        "361",
        "360.1",
        "1e1",
        "NaN",
        "inf",
        "Infinity",
        "٣",
        "90.",
        ".",
        "!!0",
        "0!",
        " 0",
        "0\n",
        "90deg",
        "0,5",
        "1_0",
        "²",
        "9" * 100_000,
        "0." + "0" * 100_000,
        "360.000000000000000000000001",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedParameterError) as error:
        parse_rotation(text)
    assert "rotation" in error.value.detail
