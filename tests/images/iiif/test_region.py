import pytest

from images.iiif.errors import MalformedParameterError, RegionOutsideImageError
from images.iiif.geometry import Region, Size
from images.iiif.region import parse_region, resolve_region

IMAGE = Size(300, 200)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("full", Region(0, 0, 300, 200)),
        ("square", Region(50, 0, 200, 200)),
        ("125,15,120,140", Region(125, 15, 120, 140)),
        ("125,15,200,200", Region(125, 15, 175, 185)),
        ("0,0,9999999999999999,1", Region(0, 0, 300, 1)),
        ("000,0,07,1", Region(0, 0, 7, 1)),
        ("299,199,1,1", Region(299, 199, 1, 1)),
        ("pct:41.6,7.5,40,70", Region(125, 15, 120, 140)),
        ("pct:41.6,7.5,66.6,100", Region(125, 15, 175, 185)),
        ("pct:0,0,100,100", Region(0, 0, 300, 200)),
        ("pct:0,0,250.000,.5", Region(0, 0, 300, 1)),
        ("pct:99.9,99.9,50,50", Region(299, 199, 1, 1)),
        ("pct:33.333333333333336,0,33.333333333333336,100", Region(100, 0, 100, 200)),
    ],
)
def test_resolves(text: str, region: Region) -> None:
    assert resolve_region(parse_region(text), IMAGE) == region


@pytest.mark.parametrize(
    ("full", "region"),
    [
        (Size(200, 301), Region(0, 50, 200, 200)),
        (Size(7, 7), Region(0, 0, 7, 7)),
        (Size(1, 9), Region(0, 4, 1, 1)),
    ],
)
def test_square_is_centred(full: Size, region: Region) -> None:
    assert resolve_region(parse_region("square"), full) == region


@pytest.mark.parametrize(
    "text", ["300,0,1,1", "0,200,1,1", "9999999999999999,0,1,1", "pct:100,0,1,1", "pct:0,101,1,1", "pct:0,0,0.1,1"]
)
def test_outside_or_smaller_than_a_pixel(text: str) -> None:
    with pytest.raises(RegionOutsideImageError):
        resolve_region(parse_region(text), IMAGE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Full",
        "full ",
        "FULL",
        "max",
        "squared",
        "0,0,1",
        "0,0,1,1,1",
        "0,0,1,1,",
        ",0,0,1,1",
        "-1,0,1,1",
        "+1,0,1,1",
        "0,0,0,1",
        "0,0,1,0",
        "0,0,00,1",
        "pct:0,0,0,1",
        "pct:0,0,1,0.00",
        "0.5,0,1,1",
        "1e2,0,1,1",
        "0, 0,1,1",
        "0,0,1,1\n",
        "٣,0,1,1",
        "１,0,1,1",
        "²,0,1,1",
        "0x1,0,1,1",
        "1_0,0,1,1",
        "NaN,0,1,1",
        "pct:NaN,0,1,1",
        "pct:inf,0,1,1",
        "pct:1e1,0,1,1",
        "pct:-1,0,1,1",
        "pct:+1,0,1,1",
        "pct:1.,0,1,1",
        "pct:.,0,1,1",
        "pct:0,0,1",
        "pct:",
        "PCT:0,0,1,1",
        "pct:1.5.5,0,1,1",
        "pct: 1,0,1,1",
        "0,0,1," + "9" * 100_000,
        "pct:0,0,1," + "9" * 100_000,
        "pct:0,0,1,0." + "0" * 99_999 + "1",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedParameterError) as error:
        parse_region(text)
    assert "region" in error.value.detail
    assert len(error.value.detail) < 300
